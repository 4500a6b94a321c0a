/* The launcher: first process of an executor container.
 *
 * A user's image may hold nothing but the user's program, so this needs no
 * shell, no other program and no shared library. README.md is its contract;
 * each .c file begins with its purpose.
 *
 * Conventions: a function that returns bool has already reported the failure
 * (fail) when it returns false, unless its comment says "errno". A descriptor
 * of -1 means "none". umask is 0 in the launcher and the caller's in the child.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct signalfd_siginfo;

enum exit_code {
    EXIT_LAUNCHER = 125,       /* the launcher itself failed */
    EXIT_NOT_EXECUTABLE = 126, /* the program exists but cannot run */
    EXIT_NOT_FOUND = 127,
    EXIT_SIGNAL = 128 /* plus the number of the signal */
};

/* Copy what is at source to below destination, under its full path. */
struct collection {
    const char *source;
    const char *destination;
};

/* What must be at path below root, links followed. */
struct requirement {
    const char *kind; /* "file" or "directory" */
    const char *root;
    const char *path;
    const char *name; /* begins the message */
};

struct options {
    const char *directory; /* NULL: do not change */
    const char **inputs; /* the first that exists; none: inherit */
    size_t input_count;
    const char *output; /* NULL: inherit, as for errors */
    const char *errors;
    const char *mark;   /* NULL: leave stderr alone */
    const char *output_mark; /* of stdout that begins as a mark does */
    const char *more_mark;   /* NULL: lines are not cut into pieces */
    const char *return_mark; /* NULL: leave "\r\n" alone in the log */
    const char *end_mark;    /* NULL: the end of a stream is not marked */
    const char *report; /* NULL: none */
    const char *cleared; /* a directory to empty when the turn ends; NULL: none */
    const char *disk;   /* a file of the disk to look at if the command fails; NULL: none */
    unsigned long long log_limit;
    const char **made; /* directories to make first */
    size_t made_count;
    const char **readable; /* patterns of outputs to make readable afterwards */
    size_t readable_count;
    const char **inspected; /* directories to inspect, instead of running argv */
    size_t inspected_count;
    struct requirement *requirements; /* checked, instead of running argv */
    size_t requirement_count;
    struct collection *collections;
    size_t collection_count;
    const char *turns; /* directory of the turns; NULL: start at once */
    const char *turn;  /* the name of this step */
    const char *then;  /* the step for which the command stays; NULL: none */
    const char **after; /* steps before */
    size_t after_count;
    const char *needed; /* skip if this step has not passed; NULL: none */
    bool even_if_failed; /* run also if a step of after has not passed */
    bool ordered;        /* the runtime starts it when the steps before have ended */
    bool ignore_error;   /* pass whatever the end of the command */
    bool exit_zero;      /* the exit code is in the report alone */
    unsigned long long restarts;
    bool is_final[256]; /* exit codes with which the command is not started again */
    char **argv; /* NULL-terminated, at least one */
};

/* Descriptors of the redirected streams; errors may equal output. */
struct streams {
    int input;
    int output;
    int errors;
};

/* How the child ended, and what it and the orphans it left behind used. */
struct outcome {
    int exit_code;
    int signal; /* 0: none */
    bool terminated; /* SIGTERM came from outside the container meanwhile */
    bool stopped;    /* SIGTERM came, from wherever */
    bool skipped;    /* not run: a step before it has not passed */
    bool disk_full;  /* the command failed, and the disk had no space left */
    const char *turn; /* the step that this is of, if there are two; else NULL */
    struct timespec started_at;
    struct timespec ended_at;
    long long cpu_microseconds;
    long long max_rss_bytes;
    /* Bytes for the container's log; negative: the child wrote there itself. */
    long long logged_output;
    long long logged_errors; /* without the launcher's messages */
};

/* Writes to fd with marks; a NULL one is none. */
struct marker {
    int fd;
    const char *mark;         /* before each line, or piece of one */
    const char *literal_mark; /* before one that begins as a mark does */
    const char *return_mark;  /* after a line that ends as "\r\n" or a mark does */
    const char *more_mark;    /* after a piece that is not the last of its line */
    bool in_line;
    bool is_new; /* the piece has begun with the last write */
    char last;   /* byte of the line, or of its piece */
    long long taken; /* bytes, without marks */
    size_t piece;    /* bytes of the buffer's end that are not a whole one yet */
    struct timespec kept_since;
    size_t used;
    char buffer[16384];
};

/* One stream of the child. Both descriptors are -1 if the child has inherited
 * the launcher's, or writes both streams to one pipe. */
struct pump {
    int from; /* -1 also once it has ended */
    int to;
    const char *name; /* of the stream */
    const char *path; /* of its file; NULL: the container's log */
    bool inherited;
    struct marker marker; /* for the log */
};

struct child {
    pid_t pid; /* -1: none */
    bool may_stay;
    bool stays;  /* it has done the first of two steps, and waits for the second */
    int channel; /* by which it tells that, and hears of its turn; -1: none */
    struct pump output;
    struct pump errors; /* closed if stderr shares the pipe of stdout */
};

enum { TURN_NAME_SIZE = 64 };

enum { MARK_SIZE = 64 }; /* the longest of lines in pieces */

/* The step's place in the order of steps. */
struct turn {
    const char *name;
    int directory;
    int alive;    /* the pipe that tells others of the end */
    int *earlier; /* a pipe for each of the steps before, to wait for */
};

/* message.c */
void set_message_mark(const char *mark);
void note_unfinished_line(void); /* of the log: the next message ends it first */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool has_failed(void);
const char *first_failure(void);
long long message_bytes(void); /* written so far, without marks */

/* options.c */
bool parse_options(struct options *options, int argc, char **argv);

/* files.c */
bool make_directories(const char *path); /* errno */
bool make_parents(const char *path);     /* errno */
bool write_all(int fd, const char *data, size_t size); /* errno */
void raise_descriptors(void);

/* turns.c */
bool begin_first_turn(struct turn *turn, const struct options *options); /* of two */
bool begin_turn(struct turn *turn, const struct options *options);
bool await_turn(const struct turn *turn, const struct options *options,
                struct child *child, struct outcome *outcome);
bool pass_first_turn(const struct turn *turn);
void end_turn(const struct turn *turn, const struct options *options, bool ran,
              struct outcome *outcome);

/* streams.c */
bool make_requested_directories(const struct options *options);
bool enter_directory(const char *directory);
bool open_streams(struct streams *streams, const struct options *options);
void finish_streams(const struct streams *streams, const struct options *options,
                    struct outcome *outcome);

/* launcher.c */
bool prepare_command(const struct options *options, struct streams *streams,
                     char program[PATH_MAX], struct outcome *outcome);
bool run_command(const struct options *options, const char *program,
                 const struct streams *streams, struct child *child,
                 struct outcome *outcome);
void finish_command(const struct options *options, const struct streams *streams,
                    struct outcome *outcome);

/* two_steps.c */
void run_two_steps(const struct options *options, struct outcome *outcome);

/* pumps.c */
bool open_pumps(struct child *child, struct streams *ends, const struct options *options);
void pump(struct pump *pump);
void drain(struct pump *pump);
long long logged_bytes(const struct pump *pump); /* negative: not known */

/* log.c */
void await_log_reader(const struct options *options, const struct outcome *outcome);

/* clear.c */
void clear_directory(const char *path); /* but for what is mounted below */

/* inspect.c */
long long print_occupied(const struct options *options); /* how many bytes */

/* require.c */
void check_requirements(const struct options *options);

/* marks.c */
struct marker make_marker(int fd, const struct options *options); /* of the log */
void marker_write(struct marker *marker, const char *data, size_t size);
bool marker_tick(struct marker *marker); /* whether more may be kept too long */
void marker_finish(struct marker *marker);

/* program.c */
int find_program(const char *name, char found[PATH_MAX]); /* 0 or an errno */
int explain_failure(const char *name, const char *program, int cause);

/* child.c */
void prepare_process(void);
void watched_signals(sigset_t *set);
int open_signals(void); /* -1: reported */
bool is_stopped_from_outside(const struct signalfd_siginfo *info);
int start_child(struct child *child, const char *program,
                const struct options *options, const struct streams *streams);
void watch_child(struct child *child, struct outcome *outcome);
void forget_ended(struct child *child, struct outcome *outcome);
void end_orphans(void);

/* match.c */
bool matches(const char *pattern, const char *path); /* both relative */
bool crosses_folders(const char *pattern); /* by "**" */
/* Writes the one name that segment stands for, if it is one, into length + 1 bytes. */
bool is_literal(const char *segment, size_t length, char *name);

/* expand.c */
typedef void found_t(const char *path, const void *context);
/* Returns why not all was found; NULL: it was. */
const char *expand(const char *pattern, found_t *found, const void *context);

/* collect.c */
void collect(const struct collection *collection);

/* readable.c */
void make_readable(const char *pattern);

/* report.c */
bool is_full(const char *path);
bool write_report(const char *path, const struct outcome *outcome);

#endif
