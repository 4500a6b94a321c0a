/* Runs one command for two steps of a pod, so that it starts once.
 *
 * The command finds in TESK_TURN which step it begins with. When it has done the first,
 * it may stay: it writes a byte to the socket whose number is in TESK_TURN_CHANNEL, and
 * reads "passed" or "failed" there when the turn of the second comes, as TESK_AFTER
 * would say; the end of the socket means that there is nothing more to do. One that
 * ends instead, or while it waits, is started again for the second step.
 */
#include "launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool name_step(const char *step)
{
    if (setenv("TESK_TURN", step, 1) == 0)
        return true;
    fail("TESK_TURN: %s", strerror(errno));
    return false;
}

/* Tell a command that stays that its turn has come. */
static void wake(const struct child *child)
{
    const char *before = getenv("TESK_AFTER");

    /* If it ends at this moment, that is seen next, and it is started again. */
    if (child->pid >= 0 && before != NULL)
        (void)write_all(child->channel, before, strlen(before));
}

static bool run_first(const struct options *options, const char *program,
                      const struct streams *streams, struct child *child,
                      struct outcome *outcome)
{
    child->may_stay = true;
    if (!name_step(options->turn) ||
        !run_command(options, program, streams, child, outcome))
        return false;
    if (!child->stays)
        end_orphans();
    return outcome->exit_code == 0 && !outcome->terminated;
}

static bool run_second(const struct options *options, const char *program,
                       const struct streams *streams, struct child *child,
                       struct outcome *outcome)
{
    child->may_stay = false;
    child->stays = false;
    unsetenv("TESK_TURN_CHANNEL");
    if (!name_step(options->then))
        return false;
    wake(child);
    return run_command(options, program, streams, child, outcome);
}

void run_two_steps(const struct options *options, struct outcome *outcome)
{
    struct streams streams = {-1, -1, -1};
    struct child child = {.pid = -1, .channel = -1};
    struct turn first;
    struct turn second;
    char program[PATH_MAX];

    outcome->turn = options->turn;
    if (!begin_first_turn(&first, options) || !begin_turn(&second, options) ||
        !prepare_command(options, &streams, program, outcome) ||
        !run_first(options, program, &streams, &child, outcome))
        return;
    outcome->exit_code = EXIT_LAUNCHER;
    if (!pass_first_turn(&first))
        return;
    close(first.alive);
    outcome->turn = options->then;
    if (!await_turn(&second, options, &child, outcome))
        return;
    clock_gettime(CLOCK_REALTIME, &outcome->started_at);
    outcome->ended_at = outcome->started_at;
    if (run_second(options, program, &streams, &child, outcome))
        finish_command(options, &streams, outcome);
    end_orphans();
    end_turn(&second, options, true, outcome);
}
