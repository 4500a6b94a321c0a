/* Writes a stream into the container's log so that its reader can tell it apart.
 *
 * A runtime that merges stdout and stderr into one log returns lines without their
 * origin, takes "\r\n" for the end of one, and cuts long ones, with the other stream in
 * between. Marks at the edges of a line say what it was.
 *
 * With the mark of lines that go on, a line is written in pieces that no runtime cuts,
 * each whole and ended by a newline; what is not yet one is kept here. Without it bytes
 * are passed on at once, and long lines can be mixed up.
 */
#include "launcher.h"

#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* With marks and newline. Pipes take so much at once (PIPE_BUF), and what reads them for
 * a log keeps at least as much together (containerd 16 KiB, conmon 8 KiB). */
enum { PIECE_SIZE = 4096 };

enum { MOST_SECONDS_KEPT = 1 };

struct marker make_marker(int fd, const struct options *options)
{
    bool is_stderr = fd == STDERR_FILENO;

    return (struct marker){.fd = fd,
                           .mark = is_stderr ? options->mark : NULL,
                           .literal_mark = is_stderr ? NULL : options->output_mark,
                           .return_mark = options->return_mark,
                           .more_mark = options->more_mark};
}

/* Write all but the piece that has begun. */
static void flush(struct marker *marker)
{
    size_t whole = marker->used - marker->piece;

    /* The log is not read any more: the child continues regardless. */
    (void)write_all(marker->fd, marker->buffer, whole);
    memmove(marker->buffer, marker->buffer + whole, marker->piece);
    marker->used = marker->piece;
}

static void append(struct marker *marker, const char *data, size_t size)
{
    while (size > 0) {
        size_t room = sizeof marker->buffer - marker->used;
        size_t part = size < room ? size : room;

        memcpy(marker->buffer + marker->used, data, part);
        marker->used += part;
        if (marker->more_mark != NULL)
            marker->piece += part;
        data += part;
        size -= part;
        if (marker->used == sizeof marker->buffer)
            flush(marker);
    }
}

static void append_text(struct marker *marker, const char *text)
{
    append(marker, text, strlen(text));
}

static void begin_piece(struct marker *marker, char first)
{
    if (marker->mark != NULL)
        append_text(marker, marker->mark);
    else if (marker->literal_mark != NULL && first == *marker->literal_mark)
        append_text(marker, marker->literal_mark);
    if (marker->more_mark != NULL) {
        marker->last = '\0';
        marker->is_new = true;
    }
}

static void end_piece(struct marker *marker, const char *mark)
{
    if (mark != NULL)
        append_text(marker, mark);
    append(marker, "\n", 1);
    marker->piece = 0;
}

/* How many bytes of a line still fit into the piece. */
static size_t piece_room(const struct marker *marker)
{
    if (marker->more_mark == NULL)
        return SIZE_MAX;
    return PIECE_SIZE - MARK_SIZE - 1 - marker->piece;
}

/* Whether what a line ends with would be taken for its end, or for a mark. */
static bool ends_oddly(const struct marker *marker, char last)
{
    return last == '\r' || (marker->more_mark != NULL && last == *marker->more_mark);
}

/* Append the end of a line, with its newline. */
static void append_end(struct marker *marker, const char *data, size_t size)
{
    char last = size > 1 ? data[size - 2] : marker->last;

    if (ends_oddly(marker, last)) {
        append(marker, data, size - 1);
        end_piece(marker, marker->return_mark);
    } else {
        append(marker, data, size);
        marker->piece = 0;
    }
    marker->in_line = false;
    marker->last = '\n';
}

/* Append a part that has a newline at its end or nowhere. */
static void append_part(struct marker *marker, const char *data, size_t size)
{
    bool ends = data[size - 1] == '\n';

    for (;;) {
        if (marker->more_mark != NULL ? marker->piece == 0 : !marker->in_line)
            begin_piece(marker, *data);
        size_t room = piece_room(marker);

        if (size - ends <= room)
            break;
        append(marker, data, room);
        end_piece(marker, marker->more_mark);
        data += room;
        size -= room;
    }
    if (ends) {
        append_end(marker, data, size);
    } else {
        append(marker, data, size);
        marker->last = data[size - 1];
        marker->in_line = true;
    }
}

void marker_write(struct marker *marker, const char *data, size_t size)
{
    const bool by_line = marker->mark != NULL || marker->return_mark != NULL;

    marker->taken += (long long)size; /* also if the log is not read any more */
    if (!by_line) {
        append(marker, data, size);
        size = 0;
    }
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t part = newline ? (size_t)(newline - data) + 1 : size;

        append_part(marker, data, part);
        data += part;
        size -= part;
    }
    flush(marker);
    if (marker->piece > 0 && marker->is_new)
        clock_gettime(CLOCK_MONOTONIC, &marker->kept_since);
    marker->is_new = false;
}

/* Write what is kept, as a piece of a line that goes on. */
static void pass_on(struct marker *marker)
{
    if (marker->piece == 0)
        return;
    end_piece(marker, marker->more_mark);
    flush(marker);
}

bool marker_tick(struct marker *marker)
{
    struct timespec now;

    if (marker->piece == 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - marker->kept_since.tv_sec > MOST_SECONDS_KEPT)
        pass_on(marker);
    return marker->piece > 0;
}

void marker_finish(struct marker *marker)
{
    pass_on(marker);
    if (marker->mark == NULL || !marker->in_line)
        return;
    if (marker->more_mark != NULL) {
        note_unfinished_line();
        return;
    }
    append(marker, "\n", 1);
    flush(marker);
    marker->taken++;
    marker->in_line = false;
}
