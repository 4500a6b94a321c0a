/* Makes directories, and opens the files of redirected streams.
 *
 * The child's output comes through a pipe (pumps.c) and is appended to the file,
 * so that other writers do not overwrite it. The
 * container log gets the end of the file afterwards, read through the same
 * descriptor, so that it is the same file even if the child renamed or replaced
 * it.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WRITE_FLAGS = O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY
};

bool make_requested_directories(const struct options *options)
{
    for (size_t at = 0; at < options->made_count; at++) {
        if (make_directories(options->made[at]))
            continue;
        fail("mkdir: %s: %s", options->made[at], strerror(errno));
        return false;
    }
    return true;
}

bool enter_directory(const char *directory)
{
    if (directory == NULL || (make_directories(directory) && chdir(directory) == 0))
        return true;
    fail("chdir: %s: %s", directory, strerror(errno));
    return false;
}

static bool open_input(int *fd, const struct options *options)
{
    const char *path = NULL;
    struct stat status;

    if (options->input_count == 0)
        return true;
    for (size_t at = 0; *fd < 0 && at < options->input_count; at++) {
        path = options->inputs[at];
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (*fd < 0 && errno != ENOENT && errno != ENOTDIR)
            break;
    }
    if (*fd >= 0 && fstat(*fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(*fd);
        *fd = -1;
        errno = EISDIR;
    }
    if (*fd < 0)
        fail("stdin: %s: %s", path, strerror(errno));
    return *fd >= 0;
}

static bool open_output(int *fd, const char *path, const char *name)
{
    struct stat status;

    if (path == NULL)
        return true;
    if (make_parents(path)) /* readable as well, for the log */
        *fd = open(path, WRITE_FLAGS, 0666);
    if (*fd < 0) {
        fail("%s: %s: %s", name, path, strerror(errno));
        return false;
    }
    /* A pipe without a reader cannot be told from one that is read late. */
    if (fstat(*fd, &status) != 0 ||
        !(S_ISREG(status.st_mode) || S_ISCHR(status.st_mode))) {
        fail("%s: %s: not a file", name, path);
        return false;
    }
    return true;
}

/* Two streams to one file keep their order if they share a pipe. */
static void share_description(struct streams *streams)
{
    struct stat output;
    struct stat errors;

    if (streams->output < 0 || streams->errors < 0 ||
        fstat(streams->output, &output) != 0 || fstat(streams->errors, &errors) != 0)
        return;
    if (output.st_dev == errors.st_dev && output.st_ino == errors.st_ino) {
        close(streams->errors);
        streams->errors = streams->output;
    }
}

bool open_streams(struct streams *streams, const struct options *options)
{
    if (!open_input(&streams->input, options) ||
        !open_output(&streams->output, options->output, "stdout") ||
        !open_output(&streams->errors, options->errors, "stderr"))
        return false;
    share_description(streams);
    return true;
}

/* Return how many bytes it was. */
static long long log_tail(int fd, unsigned long long limit, struct marker marker)
{
    char data[16384];
    struct stat status;
    off_t at = 0;
    ssize_t size;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    if ((unsigned long long)status.st_size > limit)
        at = status.st_size - (off_t)limit;
    while (at < status.st_size) { /* not further: an orphan may still write */
        size_t want = sizeof data;

        if ((off_t)want > status.st_size - at)
            want = (size_t)(status.st_size - at);
        size = pread(fd, data, want, at);
        if (size <= 0)
            break;
        marker_write(&marker, data, (size_t)size);
        at += size;
    }
    marker_finish(&marker);
    return marker.taken;
}

/* Network file systems report failed writes only on close. */
static void close_output(int fd, const char *path, const char *name)
{
    if (close(fd) != 0)
        fail("%s: %s: %s", name, path, strerror(errno));
}

void finish_streams(const struct streams *streams, const struct options *options,
                    struct outcome *outcome)
{
    if (streams->output >= 0)
        outcome->logged_output +=
            log_tail(streams->output, options->log_limit,
                     make_marker(STDOUT_FILENO, options));
    if (streams->errors >= 0 && streams->errors != streams->output) {
        outcome->logged_errors +=
            log_tail(streams->errors, options->log_limit,
                     make_marker(STDERR_FILENO, options));
        close_output(streams->errors, options->errors, "stderr");
    }
    if (streams->output >= 0)
        close_output(streams->output, options->output, "stdout");
}
