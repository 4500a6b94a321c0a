/* Marks each line of a stream.
 *
 * A runtime that merges stdout and stderr into one log gives back lines without
 * their origin; the mark is how the reader tells. Bytes are passed on as they
 * come, because holding back a line would need memory without bound.
 */
#include "launcher.h"

#include <string.h>

static void flush(struct marker *marker)
{
    /* Nobody reads the log any more: the child's work goes on regardless. */
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

void marker_write(struct marker *marker, const char *data, size_t size)
{
    while (size > 0) {
        const char *newline = marker->mark ? memchr(data, '\n', size) : NULL;
        size_t part = newline ? (size_t)(newline - data) + 1 : size;

        if (marker->mark != NULL && !marker->in_line)
            append(marker, marker->mark, strlen(marker->mark));
        append(marker, data, part);
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
        marker->in_line = false;
    }
}
