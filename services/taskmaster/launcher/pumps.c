/* Copies the child's output to its file or to the container's log.
 *
 * The child has the end of a pipe for each stream that does not simply go to
 * the log: a process that opens /dev/stdout again would truncate or overwrite
 * a file. Only the launcher writes to the file, and only at its end.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* All pipes of one user may hold 64 MiB on a node (pipe-user-pages-soft); then new
 * ones, those of other containers as well, get 8 KiB. 110 pods with two fit. */
enum { PIPE_SIZE = 256 * 1024, CHUNK = 128 * 1024 };

/* Make a pipe; *end is for the child. */
static bool open_pump(struct pump *pump, int *end)
{
    int ends[2];

    pump->to = *end;
    pump->inherited = false;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail("pipe: %s", strerror(errno));
        return false;
    }
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* fewer system calls, if permitted */
    /* Another reader of /dev/stdout may be faster, and read(2) would block for ever. */
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pump->from = ends[0];
    *end = ends[1];
    return true;
}

bool open_pumps(struct child *child, struct streams *ends, const struct options *options)
{
    const bool marks = options->return_mark != NULL;
    const bool shared = ends->errors >= 0 && ends->errors == ends->output;

    child->output = (struct pump){-1, -1, "stdout", options->output, true,
                                  make_marker(STDOUT_FILENO, options)};
    child->errors = (struct pump){-1, -1, "stderr", options->errors, !shared,
                                  make_marker(STDERR_FILENO, options)};
    if ((ends->output >= 0 || marks) && !open_pump(&child->output, &ends->output))
        return false;
    if (shared)
        ends->errors = ends->output;
    else if (ends->errors >= 0 || marks || options->mark != NULL)
        return open_pump(&child->errors, &ends->errors);
    return true;
}

static void stop(struct pump *pump)
{
    close(pump->from); /* further writers get SIGPIPE */
    pump->from = -1;
}

/* Copy at most limit bytes; return how many, -1 at the end. */
static ssize_t carry(struct pump *pump, size_t limit)
{
    static char data[CHUNK];
    ssize_t size;

    do
        size = read(pump->from, data, limit < sizeof data ? limit : sizeof data);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        return 0;
    if (size <= 0)
        return -1;
    if (pump->path == NULL)
        marker_write(&pump->marker, data, (size_t)size);
    else if (!write_all(pump->to, data, (size_t)size)) {
        fail("%s: %s: %s", pump->name, pump->path, strerror(errno));
        return -1;
    }
    return size;
}

void pump(struct pump *pump)
{
    if (carry(pump, CHUNK) < 0)
        stop(pump);
}

/* Copy what the child left in the pipe, not what orphans add later. */
void drain(struct pump *pump)
{
    ssize_t carried;
    int left = 0;

    if (pump->from >= 0 && ioctl(pump->from, FIONREAD, &left) != 0)
        left = 0;
    for (; left > 0; left -= (int)carried)
        if ((carried = carry(pump, (size_t)left)) <= 0)
            break;
    if (pump->from >= 0)
        stop(pump);
    marker_finish(&pump->marker);
}

long long logged_bytes(const struct pump *pump)
{
    return pump->inherited ? -1 : pump->marker.taken;
}
