"""Steps whose containers share a pod: each is seen by its own, in its turn."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.taskmaster_reports import make_report
from taskmasters.pods import (
    EXECUTOR,
    FILER,
    GONE,
    Edit,
    containers,
    job_condition,
    status,
)
from taskmasters.shared_pods import (
    CREATING,
    FAILED,
    HELD,
    NO_IMAGE,
    OUT,
    PASSED,
    RUNS,
    X0,
    X1,
    by_order,
    in_sequence,
    look,
    over,
    together,
)
from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Running,
    Subject,
    Waiting,
)
from tesk_taskmaster.domain.termination import INVALID_REPORT


@by_order
def test_it_runs_when_those_before_it_have_ended(order: Any) -> None:
    observed = look(X1, order(PASSED, FAILED, RUNS, HELD))

    assert isinstance(observed, Running)


def test_it_runs_when_one_before_it_ran_out_of_memory() -> None:
    killed = over(137, reason="OOMKilled")

    assert isinstance(look(X1, together(PASSED, killed, RUNS, RUNS)), Running)


NEVER_BEGUN: dict[str, tuple[JsonObject, str]] = {
    "it was killed": (
        over(137),
        "executors[0] was killed, after which its turn may never come",
    ),
    "its node has no room for the files of the turns": (
        over(125, message=make_report(125, error="turns: x0.begun: No space left")),
        "executors[0]: turns: x0.begun: No space left",
    ),
}


@pytest.mark.parametrize(("end", "cause"), NEVER_BEGUN.values(), ids=NEVER_BEGUN)
def test_it_does_not_wait_for_one_that_may_never_have_begun(
    end: JsonObject, cause: str
) -> None:
    observed = look(X1, together(PASSED, end, RUNS, RUNS))

    assert isinstance(observed, Ended)
    assert observed.result.lost
    assert observed.result.error == f"executors[1] lost: {cause}"


def test_it_waits_while_the_transfer_before_it_runs() -> None:
    observed = look(X0, together(RUNS, RUNS, RUNS, RUNS))

    assert isinstance(observed, Waiting)
    assert observed.reason.text == "executors[0]: waiting for the step before it"


@pytest.mark.parametrize("state", [RUNS, CREATING], ids=["runs", "is created"])
@pytest.mark.parametrize("subject", [X1, OUT], ids=["executor", "filer"])
def test_a_pod_in_which_an_executor_before_it_has_not_ended_is_a_new_one(
    subject: Subject, state: JsonObject
) -> None:
    observed = look(subject, together(PASSED, state, RUNS, RUNS))

    assert isinstance(observed, Ended)
    assert observed.result.lost
    assert observed.result.error == (
        f"{subject.name} lost: a new pod runs executors[0] again"
    )


def test_an_ignored_failure_lets_the_executors_after_it_run() -> None:
    after = replace(OUT, ignored=frozenset({"x0"}))

    again = look(after, together(PASSED, FAILED, RUNS, RUNS))
    runs = look(after, together(PASSED, FAILED, PASSED, RUNS))

    assert isinstance(again, Ended)
    assert again.result.lost
    assert isinstance(runs, Running)


@pytest.mark.parametrize(
    "later", [HELD, NO_IMAGE, CREATING, RUNS], ids=["held", "broken", "created", "runs"]
)
def test_outputs_do_not_wait_for_one_after_a_failed_one(later: JsonObject) -> None:
    observed = look(OUT, together(PASSED, FAILED, later, RUNS))

    assert isinstance(observed, Running)


@by_order
def test_the_end_of_its_own_container_is_its_end(order: Any) -> None:
    done = over(4, message=make_report(4))

    observed = look(X1, order(over(), over(), done, RUNS))

    assert isinstance(observed, Ended)
    assert observed.result.exit_code == 4


def test_a_filer_ended_as_its_report_says() -> None:
    done = over(0, message=make_report(65))

    observed = look(OUT, in_sequence(over(), over(), over(), done))

    assert isinstance(observed, Ended)
    assert observed.result.exit_code == 65


def test_a_code_that_a_command_hid_is_no_success() -> None:
    done = over(0, message="{}")

    hidden = look(X1, in_sequence(over(), over(), done, RUNS))
    shown = look(X1, together(over(), over(), done, RUNS))

    assert isinstance(hidden, Ended)
    assert isinstance(shown, Ended)
    assert hidden.result.exit_code == 255
    assert hidden.result.notice == f"executors[1]: {INVALID_REPORT}"
    assert shown.result.exit_code == 0


@pytest.mark.parametrize("subject", [X1, OUT], ids=["executor", "filer"])
def test_one_that_was_skipped_has_not_succeeded(subject: Subject) -> None:
    skipped = over(0, message=make_report(0, skipped=True))

    observed = look(subject, together(over(), over(), skipped, skipped))

    assert isinstance(observed, Ended)
    assert observed.result.exit_code != 0
    assert observed.result.error == (
        f"{subject.name} did not run: a step before it left no sign of success"
    )
    assert not observed.result.lost


EVICTIONS = {
    'Usage of EmptyDir volume "tesk-volume" exceeds the limit "50Mi". ': False,
    "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ": False,
    'Container x0 exceeded its local ephemeral storage limit "1Gi". ': False,
    "The node was low on resource: ephemeral-storage. ": True,
    'Usage of EmptyDir volume "site" exceeds the limit "50Mi". ': True,
}


@by_order
@pytest.mark.parametrize(("message", "lost"), EVICTIONS.items(), ids=EVICTIONS)
def test_more_files_than_the_task_asked_for_end_it_for_good(
    order: Any, message: str, *, lost: bool
) -> None:
    killed = over(137, message=make_report(143, terminated=True))
    evicted = status(phase="Failed", reason="Evicted", message=message)

    observed = look(X1, order(over(), over(), killed, HELD), evicted)

    assert isinstance(observed, Ended)
    assert observed.result.lost == lost
    assert ("more than its resources.disk_gb" in observed.result.error) != lost
    assert message.strip() in observed.result.error


def test_more_than_a_few_files_where_turns_are_taken_end_the_task_for_good() -> None:
    message = 'Usage of EmptyDir volume "tesk-turns" exceeds the limit "1Mi". '
    killed = over(137, message=make_report(143, terminated=True))
    evicted = status(phase="Failed", reason="Evicted", message=message)

    observed = look(X1, together(over(), over(), killed, HELD), evicted)

    assert isinstance(observed, Ended)
    assert not observed.result.lost
    assert observed.result.error == (
        "executors[1]: a command filled a folder below /.tesk, which is not for files "
        f"of the task: {message.strip()}"
    )


def test_one_that_had_ended_before_an_eviction_keeps_its_result() -> None:
    done = over(0, message=make_report(0))
    evicted = status(phase="Failed", reason="Evicted", message=next(iter(EVICTIONS)))

    observed = look(X1, together(over(), over(), done, over(137)), evicted)

    assert isinstance(observed, Ended)
    assert (observed.result.exit_code, observed.result.error) == (0, "")


def test_one_that_never_ran_names_the_step_that_broke_the_sequence() -> None:
    edits = (
        in_sequence(over(), over(), over(137, reason="OOMKilled"), HELD),
        status(phase="Failed"),
    )

    observed = look(OUT, *edits)

    assert isinstance(observed, Ended)
    assert observed.result.error == (
        "the transfer of inputs: container x1 of its pod ended with exit code 137: "
        "OOMKilled"
    )


def test_the_code_of_a_job_is_not_taken_for_that_of_a_step() -> None:
    done = job_condition("Complete", "")

    observed = look(OUT, together(RUNS, RUNS, RUNS, RUNS), pod_is_gone=True, job=done)

    assert isinstance(observed, Ended)
    assert observed.result.exit_code != 0
    assert not isinstance(look(OUT, together(RUNS, RUNS, RUNS, RUNS), **GONE), Ended)


# Both transfers in one container.
FIRST = replace(FILER, container="filer", step="in", later=("x0", "x1"))
SECOND = replace(FILER, container="filer", step="out", earlier=("x0", "x1"))
BETWEEN = replace(EXECUTOR, container="x0", later=("x1",), filer="filer")
SKIPPED = over(message=make_report(0, skipped=True))


def with_one_filer(*states: JsonObject) -> Edit:
    return containers(dict(zip(("filer", "x0", "x1"), states, strict=True)))


def test_inputs_last_until_the_step_after_them_has_run() -> None:
    during = look(FIRST, with_one_filer(RUNS, RUNS, RUNS))
    skipped = look(FIRST, with_one_filer(RUNS, SKIPPED, RUNS))
    after = look(FIRST, with_one_filer(RUNS, FAILED, RUNS))

    assert isinstance(during, Running)
    assert isinstance(skipped, Running)
    assert isinstance(after, Ended)
    assert (after.result.exit_code, after.result.error) == (0, "")


@pytest.mark.parametrize(
    ("turn", "code", "inputs", "outputs"), [("in", 65, 65, 65), ("out", 75, 0, 75)]
)
def test_the_report_of_one_filer_is_of_the_step_that_it_names(
    turn: str, code: int, inputs: int, outputs: int
) -> None:
    end = over(code, message=make_report(code, turn=turn))
    observed = [
        look(subject, with_one_filer(end, PASSED, PASSED))
        for subject in (FIRST, SECOND)
    ]

    assert [each.result.exit_code for each in observed if isinstance(each, Ended)] == [
        inputs,
        outputs,
    ]


def test_outputs_run_after_all_executors_of_this_pod() -> None:
    again = look(SECOND, with_one_filer(RUNS, PASSED, RUNS))
    runs = look(SECOND, with_one_filer(RUNS, PASSED, PASSED))

    assert isinstance(again, Ended)
    assert again.result.lost
    assert isinstance(runs, Running)


def test_an_executor_does_not_wait_for_the_end_of_a_filer_that_stays() -> None:
    assert isinstance(look(BETWEEN, with_one_filer(RUNS, RUNS, RUNS)), Running)


@pytest.mark.parametrize(
    "end",
    [over(137), over(1, message=make_report(1, turn="in"))],
    ids=["with its launcher", "alone"],
)
def test_an_executor_is_lost_with_a_filer_that_was_killed_before_its_turn(
    end: JsonObject,
) -> None:
    observed = look(BETWEEN, with_one_filer(end, SKIPPED, RUNS))

    assert isinstance(observed, Ended)
    assert observed.result.lost
    assert "the transfer of inputs was killed at its end" in observed.result.error
