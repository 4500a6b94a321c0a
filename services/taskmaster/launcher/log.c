/* Waits until what was printed has been taken from the container's pipes.
 *
 * A container runtime copies them to the log. When the first process has ended it does
 * so for two more seconds (containerd's shim), and drops the rest: on a node that is
 * busy, or whose disk is, the end of a log was lost, or all of a short one. An empty
 * pipe is not enough: the runtime may still hold what it read last. So the end of each
 * stream is marked when the pipe is empty: who reads the mark has written all before it.
 *
 * Behind that is a second pipe, to containerd, of which nothing can be seen here, and
 * which older releases close without reading it to its end (containerd#7289, 1.6): they
 * are given the time in which they read what it may hold.
 */
#include "launcher.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_NANOSECONDS = 16 * 1000 * 1000, FIRST_NANOSECONDS = 250 * 1000 };

enum {
    SECOND_PIPE = 64 * 1024,
    NANOSECONDS_A_BYTE = 4 * 1000,
    LEAST_NANOSECONDS = 10 * 1000 * 1000
};

static const time_t MOST_SECONDS = 20; /* who reads nothing holds up no step for ever */

static bool is_pipe(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

static bool holds_bytes(int fd)
{
    int left = 0;

    return is_pipe(fd) && ioctl(fd, FIONREAD, &left) == 0 && left > 0;
}

/* Sleep; false: a signal says that the container is to end now. */
static bool pause_for(long nanoseconds)
{
    struct timespec pause = {.tv_nsec = nanoseconds};
    sigset_t ending;

    watched_signals(&ending);
    sigdelset(&ending, SIGCHLD);
    return sigtimedwait(&ending, NULL, &pause) < 0;
}

/* Wait until both pipes are empty; false: that took too long, or a signal came. */
static bool await_empty(time_t until)
{
    long nanoseconds = FIRST_NANOSECONDS;
    struct timespec now;

    while (holds_bytes(STDOUT_FILENO) || holds_bytes(STDERR_FILENO)) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec >= until || !pause_for(nanoseconds))
            return false;
        if (nanoseconds < MOST_NANOSECONDS)
            nanoseconds *= 2;
    }
    return true;
}

/* There is room: the pipe is empty. */
static void mark_end(int fd, const struct options *options, bool printed)
{
    const char *mark = options->end_mark;

    if (mark == NULL || !printed || !is_pipe(fd))
        return;
    (void)write_all(fd, mark, strlen(mark));
    if (options->more_mark != NULL) /* each line is whole */
        (void)write_all(fd, "\n", 1);
}

static void await_second_pipe(const struct outcome *outcome)
{
    long long printed = outcome->logged_output + outcome->logged_errors;

    if (printed > SECOND_PIPE)
        printed = SECOND_PIPE;
    if (printed > 0)
        (void)pause_for(LEAST_NANOSECONDS + (long)printed * NANOSECONDS_A_BYTE);
}

void await_log_reader(const struct options *options, const struct outcome *outcome)
{
    struct timespec now;
    time_t until;

    clock_gettime(CLOCK_MONOTONIC, &now);
    until = now.tv_sec + MOST_SECONDS;
    if (!await_empty(until))
        return;
    mark_end(STDOUT_FILENO, options, outcome->logged_output != 0);
    mark_end(STDERR_FILENO, options,
             outcome->logged_errors != 0 || message_bytes() > 0);
    if (await_empty(until) && options->end_mark != NULL)
        await_second_pipe(outcome);
}
