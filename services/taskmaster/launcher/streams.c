/* Directories to be there, and redirected streams.
 *
 * The child writes straight into the file: exact bytes, no copy on the way, and
 * nothing is lost if the launcher dies. The container log gets the end of the
 * file afterwards, read through the descriptor that the launcher kept, so that
 * it is the same file even if the child renamed or replaced it.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool make_wanted_directories(const struct options *options)
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

static bool open_input(int *fd, const char *path)
{
    struct stat status;

    if (path == NULL)
        return true;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    /* A missing file that was to be mounted is a directory, made for it. */
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
    if (path == NULL)
        return true;
    if (make_parents(path)) /* readable as well, for the log */
        *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (*fd < 0)
        fail("%s: %s: %s", name, path, strerror(errno));
    return *fd >= 0;
}

/* Two descriptions of one file have two offsets and overwrite each other. */
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
    if (!open_input(&streams->input, options->input) ||
        !open_output(&streams->output, options->output, "stdout") ||
        !open_output(&streams->errors, options->errors, "stderr"))
        return false;
    share_description(streams);
    return true;
}

static void log_tail(int fd, unsigned long long limit, int log, const char *mark)
{
    struct marker marker = {.fd = log, .mark = mark};
    char data[16384];
    struct stat status;
    off_t at = 0;
    ssize_t size;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if ((unsigned long long)status.st_size > limit)
        at = status.st_size - (off_t)limit;
    while (at < status.st_size) { /* no further: an orphan may still write */
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
}

/* Network file systems tell only on close that a write was refused. */
static void close_output(int fd, const char *path, const char *name)
{
    if (close(fd) != 0)
        fail("%s: %s: %s", name, path, strerror(errno));
}

void finish_streams(const struct streams *streams, const struct options *options)
{
    if (streams->output >= 0)
        log_tail(streams->output, options->log_limit, STDOUT_FILENO, NULL);
    if (streams->errors >= 0 && streams->errors != streams->output) {
        log_tail(streams->errors, options->log_limit, STDERR_FILENO, options->mark);
        close_output(streams->errors, options->errors, "stderr");
    }
    if (streams->output >= 0)
        close_output(streams->output, options->output, "stdout");
}
