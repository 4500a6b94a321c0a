/* Runs one command and reports its end. */
#include "launcher.h"

#include <errno.h>
#include <locale.h>
#include <string.h>

static void finish(const struct options *options, const struct streams *streams,
                   struct outcome *outcome)
{
    finish_streams(streams, options);
    raise_descriptors(); /* not sooner: the child keeps the limit of the container */
    for (size_t at = 0; at < options->collection_count; at++)
        collect(&options->collections[at]);
    for (size_t at = 0; at < options->readable_count; at++)
        make_readable(options->readable[at]);
    /* The user's own failure is the better news: ours must not hide it. */
    if (has_failed() && outcome->exit_code == 0)
        outcome->exit_code = EXIT_LAUNCHER;
}

static void run(const struct options *options, struct outcome *outcome)
{
    struct streams streams = {-1, -1, -1};
    struct child child = {.pid = -1};
    char program[PATH_MAX];
    int cause;

    outcome->exit_code = EXIT_LAUNCHER;
    if (!make_requested_directories(options) || !enter_directory(options->directory) ||
        !open_streams(&streams, options))
        return;
    cause = find_program(options->argv[0], program);
    if (cause == 0)
        cause = start_child(&child, program, options, &streams);
    if (cause != 0) {
        /* A cause that was reported already is not the program's. */
        if (!has_failed())
            outcome->exit_code = explain_failure(options->argv[0], program, cause);
        return;
    }
    watch_child(&child, outcome);
    finish(options, &streams, outcome);
}

static void inspect(const struct options *options, struct outcome *outcome)
{
    print_occupied(options);
    outcome->exit_code = 0;
    clock_gettime(CLOCK_REALTIME, &outcome->ended_at);
}

static void require(const struct options *options, struct outcome *outcome)
{
    check_requirements(options);
    outcome->exit_code = has_failed() ? EXIT_LAUNCHER : 0;
    clock_gettime(CLOCK_REALTIME, &outcome->ended_at);
}

int main(int argc, char **argv)
{
    struct options options = {.log_limit = 65536};
    struct outcome outcome = {.exit_code = EXIT_LAUNCHER};

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
    else
        run(&options, &outcome);
    if (options.report != NULL && !write_report(options.report, &outcome))
        note("report: %s: %s", options.report, strerror(errno));
    return outcome.exit_code;
}
