/* Makes the steps of one pod run in order, though their containers start at once.
 *
 * Each step has three files in a directory that all share:
 *   NAME.alive   a named pipe that its launcher holds open, so that the kernel
 *                tells others of its end, whatever that is: SIGKILL, too
 *   NAME.begun   its launcher has opened that: who comes later and finds no
 *                writer knows that it has ended, not that it is yet to begin
 *   NAME.passed  the next may run
 * A pipe rather than a lock can be waited for together with signals, and needs no
 * inotify instance, of which a node has 128 for all containers of a user.
 *
 * Commands can write there, too. They can only harm their own task: nothing is
 * read or written through these names, and no link is followed. Each launcher makes
 * at its end what they may have removed, so that nobody waits for ever.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_NAME = TURN_NAME_SIZE + 8, PIPE_FLAGS = O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC };

static bool refuse(const char *file)
{
    fail("turns: %s: %s", file, strerror(errno));
    return false;
}

static const char *file_name(char file[FILE_NAME], const char *step, const char *kind)
{
    snprintf(file, FILE_NAME, "%s.%s", step, kind);
    return file;
}

static bool is_marked(const struct turn *turn, const char *step, const char *kind)
{
    char file[FILE_NAME];
    struct stat status;

    return fstatat(turn->directory, file_name(file, step, kind), &status,
                   AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode);
}

static bool mark(const struct turn *turn, const char *step, const char *kind)
{
    char file[FILE_NAME];
    int fd;

    if (is_marked(turn, step, kind))
        return true;
    fd = openat(turn->directory, file_name(file, step, kind),
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (fd < 0)
        return refuse(file);
    close(fd);
    return true;
}

static bool unmark(const struct turn *turn, const char *kind)
{
    char file[FILE_NAME];

    return unlinkat(turn->directory, file_name(file, turn->name, kind), 0) == 0 ||
           errno == ENOENT || refuse(file);
}

/* Whoever comes first makes the pipe, so that its reader may wait for its writer. */
static int open_alive(const struct turn *turn, const char *step, int mode)
{
    char file[FILE_NAME];
    struct stat status;
    int fd = -1;

    file_name(file, step, "alive");
    if (mkfifoat(turn->directory, file, 0666) == 0 || errno == EEXIST)
        fd = openat(turn->directory, file, mode | PIPE_FLAGS);
    if (fd < 0) {
        refuse(file);
        return -1;
    }
    if (fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode)) {
        fail("turns: %s: not a pipe", file);
        close(fd);
        return -1;
    }
    (void)fcntl(fd, F_SETPIPE_SZ, 1); /* one page: a user's share is bounded */
    return fd;
}

static bool hold(struct turn *turn, const char *name, const struct options *options)
{
    turn->name = name;
    turn->directory = open(options->turns, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (turn->directory < 0)
        return refuse(options->turns);
    /* Before, of a container of the same name: it says nothing of this one. */
    if (!unmark(turn, "passed"))
        return false;
    if (options->ordered)
        return true;
    /* Not O_WRONLY, which fails without a reader. */
    turn->alive = open_alive(turn, turn->name, O_RDWR);
    return turn->alive >= 0 && mark(turn, turn->name, "begun");
}

bool begin_first_turn(struct turn *turn, const struct options *options)
{
    return hold(turn, options->turn, options);
}

bool begin_turn(struct turn *turn, const struct options *options)
{
    if (!hold(turn, options->then != NULL ? options->then : options->turn, options))
        return false;
    if (options->ordered)
        return true;
    turn->earlier = calloc(options->after_count + 1, sizeof *turn->earlier);
    if (turn->earlier == NULL)
        return refuse("memory");
    /* All now: of those that have begun, whatever a command does to the names later. */
    for (size_t at = 0; at < options->after_count; at++) {
        turn->earlier[at] = open_alive(turn, options->after[at], O_RDONLY);
        if (turn->earlier[at] < 0)
            return false;
    }
    return true;
}

/* It began before, and its pipe has no writer. */
static bool was_over(const struct turn *turn, const char *step, int alive)
{
    char byte;

    return is_marked(turn, step, "begun") && read(alive, &byte, 1) == 0;
}

/* Take a signal that would end a process which does not handle it. */
static bool take_end(int signals, struct child *child, struct outcome *outcome)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof info) != sizeof info)
        return false;
    if (info.ssi_signo == SIGCHLD) {
        forget_ended(child, outcome);
        return false;
    }
    outcome->signal = (int)info.ssi_signo;
    outcome->exit_code = EXIT_SIGNAL + outcome->signal;
    outcome->terminated = is_stopped_from_outside(&info);
    return true;
}

/* Wait until the writer of a pipe has come and gone; false: a signal came first. */
static bool await_end(int alive, int anew, int signals, struct child *child,
                      struct outcome *outcome)
{
    for (;;) {
        /* POLLHUP, which needs no request, comes only if a writer was there since
         * the pipe was opened here. */
        struct pollfd ready[] = {
            {.fd = signals, .events = POLLIN}, {.fd = alive}, {.fd = anew}};

        if (poll(ready, 3, -1) < 0)
            continue;
        if (ready[0].revents != 0 && take_end(signals, child, outcome))
            return false;
        if (ready[1].revents != 0 || ready[2].revents != 0)
            return true;
    }
}

/* Wait for one step when those before it have ended. */
static bool await_step(const struct turn *turn, const char *step, int alive, int signals,
                       struct child *child, struct outcome *outcome)
{
    /* If a command has removed the pipe, a step that begins later has another. */
    int anew = open_alive(turn, step, O_RDONLY);
    bool over = anew >= 0 && was_over(turn, step, anew) && was_over(turn, step, alive);
    bool ended = over ||
                 (anew >= 0 && await_end(alive, anew, signals, child, outcome));

    if (anew >= 0)
        close(anew);
    return ended;
}

static bool has_writer(int alive)
{
    char byte;

    return read(alive, &byte, 1) < 0;
}

/* A command that removes all files takes both marks, and says nothing of a failure. */
static bool has_failed_turn(const struct turn *turn, const char *step)
{
    return is_marked(turn, step, "begun") && !is_marked(turn, step, "passed");
}

/* Those after one that has failed run nothing. They may never begin, either: their image
 * cannot be pulled, say. So nobody waits for one that is not there. */
static bool await_all(const struct turn *turn, const struct options *options,
                      struct child *child, struct outcome *outcome)
{
    int signals = open_signals();
    bool ended = signals >= 0;
    bool failed = false;

    for (size_t at = 0; ended && at < options->after_count; at++) {
        if (failed && !has_writer(turn->earlier[at]))
            continue;
        ended = await_step(turn, options->after[at], turn->earlier[at], signals, child,
                           outcome);
        failed = failed || has_failed_turn(turn, options->after[at]);
    }
    close(signals);
    for (size_t at = 0; at < options->after_count; at++)
        close(turn->earlier[at]);
    free(turn->earlier);
    return ended;
}

static bool may_run(const struct turn *turn, const struct options *options)
{
    bool passed = true;

    for (size_t at = 0; at < options->after_count; at++)
        passed = passed && is_marked(turn, options->after[at], "passed");
    /* Commands of users have their environment as it is. */
    if (options->even_if_failed &&
        setenv("TESK_AFTER", passed ? "passed" : "failed", 1) != 0)
        return refuse("TESK_AFTER");
    if (options->needed != NULL && !is_marked(turn, options->needed, "passed"))
        return false;
    return passed || options->even_if_failed;
}

/* Return whether the command may run; the outcome says why it may not. */
bool await_turn(const struct turn *turn, const struct options *options,
                struct child *child, struct outcome *outcome)
{
    if (!options->ordered && !await_all(turn, options, child, outcome))
        return false;
    if (!may_run(turn, options)) {
        outcome->skipped = !has_failed();
        if (outcome->skipped)
            outcome->exit_code = 0;
        return false;
    }
    /* Now, as nothing can be done when this process is killed later. */
    return !options->ignore_error || mark(turn, turn->name, "passed");
}

/* Let all see the end of a step who wait, or come later, for files that were made anew. */
static bool show_end(const struct turn *turn, const char *step)
{
    int alive = open_alive(turn, step, O_RDWR);
    bool done = alive >= 0 && mark(turn, step, "begun");

    if (alive >= 0 && step != turn->name) /* its own ends with this process */
        close(alive);
    return done;
}

bool pass_first_turn(const struct turn *turn)
{
    return mark(turn, turn->name, "passed");
}

/* End a turn in which the command ran, or did not. */
void end_turn(const struct turn *turn, const struct options *options, bool ran,
              struct outcome *outcome)
{
    /* If it is stopped from outside, the whole pod ends: nothing comes after it. */
    bool passes = ran && !outcome->terminated &&
                  (outcome->exit_code == 0 || options->ignore_error);
    bool done = passes ? mark(turn, turn->name, "passed") : unmark(turn, "passed");

    for (size_t at = 0; ran && done && at < options->after_count; at++) {
        if (!options->even_if_failed) /* all had passed, or it had not run */
            done = mark(turn, options->after[at], "passed");
        if (done && !options->ordered)
            done = show_end(turn, options->after[at]);
    }
    if (done && !options->ordered)
        done = show_end(turn, turn->name);
    if (!done && outcome->exit_code == 0)
        outcome->exit_code = EXIT_LAUNCHER;
}
