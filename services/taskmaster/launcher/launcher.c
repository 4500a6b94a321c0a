/* Runs one command and reports its end. */
#include "launcher.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

void finish_command(const struct options *options, const struct streams *streams,
                    struct outcome *outcome)
{
    if (options->disk != NULL && outcome->exit_code != 0)
        outcome->disk_full = is_full(options->disk);
    finish_streams(streams, options, outcome);
    raise_descriptors(); /* not sooner: the child keeps the limit of the container */
    for (size_t at = 0; at < options->collection_count; at++)
        collect(&options->collections[at]);
    for (size_t at = 0; at < options->readable_count; at++)
        make_readable(options->readable[at]);
    /* The user's own failure is the better news: ours must not hide it. */
    if (has_failed() && outcome->exit_code == 0)
        outcome->exit_code = EXIT_LAUNCHER;
}

/* Return whether the command, which has ended, is started again. */
static bool restarts(const struct options *options, const struct outcome *outcome,
                     unsigned long long tries)
{
    const int code = outcome->exit_code;

    if (code == 0 || options->is_final[code] || outcome->stopped || has_failed() ||
        tries > options->restarts)
        return false;
    note("%s: ended with exit code %d; restart %llu of %llu", options->argv[0], code,
         tries, options->restarts);
    return true;
}

/* Run the command, unless it runs, to its end or until it stays; again if so. False:
 * it could not be started. */
bool run_command(const struct options *options, const char *program,
                 const struct streams *streams, struct child *child,
                 struct outcome *outcome)
{
    unsigned long long tries = 0;

    do {
        int cause = child->pid >= 0 ? 0 : start_child(child, program, options, streams);

        if (cause != 0) {
            /* A cause that was reported already is not the program's. */
            outcome->exit_code =
                has_failed() ? EXIT_LAUNCHER
                             : explain_failure(options->argv[0], program, cause);
            return false;
        }
        watch_child(child, outcome);
        if (streams->input >= 0)
            (void)lseek(streams->input, 0, SEEK_SET);
    } while (!child->stays && restarts(options, outcome, ++tries));
    return true;
}

/* Find the program, and open what it needs; false: the outcome says why not. */
bool prepare_command(const struct options *options, struct streams *streams,
                     char program[PATH_MAX], struct outcome *outcome)
{
    int cause;

    outcome->exit_code = EXIT_LAUNCHER;
    if (!make_requested_directories(options) || !enter_directory(options->directory) ||
        !open_streams(streams, options))
        return false;
    cause = find_program(options->argv[0], program);
    if (cause != 0)
        outcome->exit_code = explain_failure(options->argv[0], program, cause);
    return cause == 0;
}

static void run(const struct options *options, struct outcome *outcome)
{
    struct streams streams = {-1, -1, -1};
    struct child child = {.pid = -1, .channel = -1};
    char program[PATH_MAX];

    if (prepare_command(options, &streams, program, outcome) &&
        run_command(options, program, &streams, &child, outcome))
        finish_command(options, &streams, outcome);
}

static void run_in_turn(const struct options *options, struct outcome *outcome)
{
    struct turn turn;
    struct child none = {.pid = -1, .channel = -1};
    bool has_begun = begin_turn(&turn, options);
    bool runs = has_begun && await_turn(&turn, options, &none, outcome);

    clock_gettime(CLOCK_REALTIME, &outcome->started_at);
    outcome->ended_at = outcome->started_at;
    if (runs) {
        run(options, outcome);
        end_orphans(); /* nothing of this step is to run beside the next */
        if (options->cleared != NULL)
            clear_directory(options->cleared);
    }
    if (has_begun)
        end_turn(&turn, options, runs, outcome);
}

static void inspect(const struct options *options, struct outcome *outcome)
{
    outcome->logged_output = print_occupied(options);
    outcome->exit_code = 0;
    clock_gettime(CLOCK_REALTIME, &outcome->ended_at);
}

static void require(const struct options *options, struct outcome *outcome)
{
    check_requirements(options);
    outcome->exit_code = has_failed() ? EXIT_LAUNCHER : 0;
    clock_gettime(CLOCK_REALTIME, &outcome->ended_at);
}

/* Report the outcome; return the exit code of this process. */
static int report(const struct options *options, const struct outcome *outcome)
{
    if (options->report == NULL)
        return outcome->exit_code;
    if (!write_report(options->report, outcome)) {
        note("report: %s: %s", options->report, strerror(errno));
        return outcome->exit_code;
    }
    return options->exit_zero && !outcome->terminated ? 0 : outcome->exit_code;
}

int main(int argc, char **argv)
{
    struct options options = {.log_limit = 65536};
    struct outcome outcome = {.exit_code = EXIT_LAUNCHER};
    int code;

    prepare_process();
    setlocale(LC_CTYPE, "C.UTF-8"); /* patterns count characters, not bytes */
    clock_gettime(CLOCK_REALTIME, &outcome.started_at);
    outcome.ended_at = outcome.started_at;
    if (!parse_options(&options, argc, argv))
        outcome.exit_code = EXIT_LAUNCHER;
    else if (options.inspected_count > 0)
        inspect(&options, &outcome);
    else if (options.requirement_count > 0)
        require(&options, &outcome);
    else if (options.then != NULL)
        run_two_steps(&options, &outcome);
    else if (options.turn != NULL)
        run_in_turn(&options, &outcome);
    else
        run(&options, &outcome);
    code = report(&options, &outcome);
    await_log_reader(&options, &outcome);
    return code;
}
