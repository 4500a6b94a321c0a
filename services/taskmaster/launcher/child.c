/* Starts and watches the child: signals, orphans, output.
 *
 * Signals are blocked from the first moment and read from a descriptor, so one
 * that arrives before the child exists is delivered to it later, not lost; and
 * as pid 1 only signals that are blocked or handled arrive at all.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static mode_t inherited_umask;

void watched_signals(sigset_t *set)
{
    static const int signals[] = {SIGTERM, SIGINT,  SIGHUP, SIGQUIT,
                                  SIGUSR1, SIGUSR2, SIGCHLD};

    sigemptyset(set);
    for (size_t at = 0; at < sizeof signals / sizeof *signals; at++)
        sigaddset(set, signals[at]);
}

void prepare_process(void)
{
    sigset_t set;

    /* A closed standard descriptor would be given to the next file opened. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR);
    inherited_umask = umask(0);
    signal(SIGCHLD, SIG_DFL); /* ignored, it would make wait4(2) fail */
    signal(SIGPIPE, SIG_IGN);
    watched_signals(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    /* Orphans come to pid 1; any other pid must ask for them. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static _Noreturn void become(const char *program, char **argv,
                             const struct streams *streams, int channel, int status)
{
    extern char **environ;
    static const char default_action[64]; /* all zero: SIG_DFL, no flags */
    sigset_t none;
    int cause;

    if (streams->input >= 0)
        dup2(streams->input, STDIN_FILENO);
    if (streams->output >= 0)
        dup2(streams->output, STDOUT_FILENO);
    if (streams->errors >= 0)
        dup2(streams->errors, STDERR_FILENO);
    if (channel >= 0)
        fcntl(channel, F_SETFD, 0);
    umask(inherited_umask);
    /* By the system call: the C library reserves some signals. */
    for (int number = 1; number < _NSIG; number++)
        syscall(SYS_rt_sigaction, number, default_action, NULL, _NSIG / 8);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(program, argv, environ);
    cause = errno;
    (void)write_all(status, (const char *)&cause, sizeof cause);
    _exit(EXIT_NOT_FOUND);
}

/* Wait for execve(2) to succeed, which closes the pipe, or to send its errno. */
static int await_start(pid_t pid, int status)
{
    int cause = 0;
    ssize_t size;

    do
        size = read(status, &cause, sizeof cause);
    while (size < 0 && errno == EINTR);
    close(status);
    if (size != sizeof cause)
        return 0;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return cause;
}

static int give_up(const char *what)
{
    int cause = errno;

    fail("%s: %s", what, strerror(cause));
    return cause;
}

/* Make the channel of a child that may stay, whose end gets into given. */
static bool open_channel(struct child *child, int *given)
{
    int ends[2];
    char number[12];

    if (child->channel >= 0) /* of a start before */
        close(child->channel);
    child->channel = -1;
    if (!child->may_stay)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    child->channel = ends[0];
    *given = ends[1];
    snprintf(number, sizeof number, "%d", ends[1]);
    return setenv("TESK_TURN_CHANNEL", number, 1) == 0;
}

/* Return 0 or an errno; the latter is the program's unless something failed. */
int start_child(struct child *child, const char *program,
                const struct options *options, const struct streams *streams)
{
    struct streams given = *streams;
    int channel = -1;
    int status[2];
    int cause;

    if (!open_channel(child, &channel))
        return give_up("channel");
    if (pipe2(status, O_CLOEXEC) != 0)
        return give_up("pipe");
    if (!open_pumps(child, &given, options))
        return EMFILE;
    child->pid = fork();
    if (child->pid < 0)
        return give_up("fork");
    if (child->pid == 0)
        become(program, options->argv, &given, channel, status[1]);
    close(status[1]);
    if (channel >= 0)
        close(channel);
    if (child->output.from >= 0)
        close(given.output);
    if (child->errors.from >= 0)
        close(given.errors);
    cause = await_start(child->pid, status[0]);
    if (cause != 0)
        child->pid = -1;
    return cause;
}

static void add_usage(struct outcome *outcome, const struct rusage *usage)
{
    long long rss = (long long)usage->ru_maxrss * 1024; /* Linux counts KiB */

    outcome->cpu_microseconds +=
        (long long)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
        usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
    if (rss > outcome->max_rss_bytes)
        outcome->max_rss_bytes = rss;
}

/* Reap all ended processes; return whether the child is among them. */
static bool reap(const struct child *child, struct outcome *outcome)
{
    bool ended = false;
    struct rusage usage;
    int status;
    pid_t pid;

    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        add_usage(outcome, &usage);
        if (pid != child->pid)
            continue;
        ended = true;
        outcome->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        outcome->exit_code =
            outcome->signal ? EXIT_SIGNAL + outcome->signal : WEXITSTATUS(status);
        clock_gettime(CLOCK_REALTIME, &outcome->ended_at);
    }
    return ended;
}

/* Forget a child that has ended while it waited: it is started again in its turn. */
void forget_ended(struct child *child, struct outcome *outcome)
{
    struct outcome seen = *outcome;

    if (reap(child, &seen))
        child->pid = -1;
    outcome->cpu_microseconds = seen.cpu_microseconds;
    outcome->max_rss_bytes = seen.max_rss_bytes;
}

/* A sender outside our pid namespace has no pid here: the one who runs the
 * container, not the program itself or what it started. */
bool is_stopped_from_outside(const struct signalfd_siginfo *info)
{
    return info->ssi_signo == SIGTERM && info->ssi_pid == 0;
}

int open_signals(void)
{
    sigset_t set;
    int signals;

    watched_signals(&set);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        fail("signalfd: %s", strerror(errno));
    return signals;
}

static bool take_signal(int signals, const struct child *child, struct outcome *outcome)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof info) != sizeof info)
        return false;
    /* First, whatever the signal: the lower number comes first, not the older. */
    if (reap(child, outcome))
        return true;
    if (is_stopped_from_outside(&info))
        outcome->terminated = true;
    if (info.ssi_signo == SIGTERM)
        outcome->stopped = true;
    if (info.ssi_signo != SIGCHLD)
        kill(child->pid, (int)info.ssi_signo);
    return false;
}

/* Return whether the child has done the first step, and stays for the second. */
static bool take_stay(struct child *child, struct outcome *outcome)
{
    char byte;

    if (read(child->channel, &byte, 1) != 1) {
        close(child->channel); /* it has closed its end, and so does not */
        child->channel = -1;
        return false;
    }
    child->stays = true;
    outcome->exit_code = 0;
    outcome->signal = 0;
    clock_gettime(CLOCK_REALTIME, &outcome->ended_at);
    return true;
}

/* Pass on what was kept of the streams for too long; return for how many milliseconds
 * nothing more needs to be, -1: for ever. */
static int tick(struct child *child)
{
    bool output = marker_tick(&child->output.marker);
    bool errors = marker_tick(&child->errors.marker);

    return output || errors ? 1000 : -1;
}

/* Watch the child until it ends, or stays. */
void watch_child(struct child *child, struct outcome *outcome)
{
    int signals = open_signals();
    bool ended = false;

    if (signals < 0) {
        kill(child->pid, SIGKILL);
        return;
    }
    while (!ended) {
        struct pollfd ready[] = {{.fd = signals, .events = POLLIN},
                                 {.fd = child->output.from, .events = POLLIN},
                                 {.fd = child->errors.from, .events = POLLIN},
                                 {.fd = child->may_stay ? child->channel : -1,
                                  .events = POLLIN}};

        if (poll(ready, 4, tick(child)) <= 0)
            continue;
        if (ready[3].revents != 0 && take_stay(child, outcome))
            break;
        if (ready[1].revents != 0)
            pump(&child->output);
        if (ready[2].revents != 0)
            pump(&child->errors);
        if (ready[0].revents != 0)
            ended = take_signal(signals, child, outcome);
    }
    if (ended)
        child->pid = -1;
    drain(&child->output);
    drain(&child->errors);
    outcome->logged_output += logged_bytes(&child->output);
    outcome->logged_errors += logged_bytes(&child->errors);
    close(signals);
}

/* End what the command left behind in this container. The kernel does so at the end
 * of process 1, but only after it has closed the pipe that others wait for. */
void end_orphans(void)
{
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    struct timespec start;
    struct timespec now;
    sigset_t ends;

    if (getpid() != 1) /* they are everybody's */
        return;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    clock_gettime(CLOCK_MONOTONIC, &start);
    /* Until none is left that may be killed. A second is enough for all but a child
     * of a process that may not, or a disk that hangs. */
    while (kill(-1, SIGKILL) == 0) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > start.tv_sec + 1)
            return;
        sigtimedwait(&ends, NULL, &pause);
    }
}
