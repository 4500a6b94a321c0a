/* Marks each line of a stream, and carriage returns at the end of one.
 *
 * A runtime that merges stdout and stderr into one log returns lines without
 * their origin, and one that stores lines takes "\r\n" for the end of one; by the
 * marks the reader tells them apart. Bytes are passed on at once: buffering a line
 * would need unbounded memory.
 */
#include "launcher.h"

#include <string.h>

static void flush(struct marker *marker)
{
    /* The log is not read any more: the child continues regardless. */
    (void)write_all(marker->fd, marker->buffer, marker->used);
    marker->used = 0;
}

static void append(struct marker *marker, const char *data, size_t size)
{
    while (size > 0) {
        size_t room = sizeof marker->buffer - marker->used;
        size_t part = size < room ? size : room;

        memcpy(marker->buffer + marker->used, data, part);
        marker->used += part;
        data += part;
        size -= part;
        if (marker->used == sizeof marker->buffer)
            flush(marker);
    }
}

/* Append a part that has a newline at its end or nowhere. */
static void append_part(struct marker *marker, const char *data, size_t size)
{
    bool ends = data[size - 1] == '\n';
    bool after_return = size > 1 ? data[size - 2] == '\r' : marker->after_return;

    if (marker->return_mark != NULL && ends && after_return) {
        append(marker, data, size - 1);
        append(marker, marker->return_mark, strlen(marker->return_mark));
        append(marker, "\n", 1);
    } else {
        append(marker, data, size);
    }
    marker->after_return = data[size - 1] == '\r';
}

void marker_write(struct marker *marker, const char *data, size_t size)
{
    bool by_line = marker->mark != NULL || marker->return_mark != NULL;

    marker->taken += (long long)size; /* also if the log is not read any more */
    while (size > 0) {
        const char *newline = by_line ? memchr(data, '\n', size) : NULL;
        size_t part = newline ? (size_t)(newline - data) + 1 : size;

        if (marker->mark != NULL && !marker->in_line)
            append(marker, marker->mark, strlen(marker->mark));
        append_part(marker, data, part);
        marker->in_line = newline == NULL;
        data += part;
        size -= part;
    }
    flush(marker);
}

void marker_finish(struct marker *marker)
{
    if (marker->mark != NULL && marker->in_line) {
        append(marker, "\n", 1);
        flush(marker);
        marker->taken++;
        marker->in_line = false;
    }
}
