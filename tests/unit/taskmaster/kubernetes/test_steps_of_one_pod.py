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
    happened,
    job_condition,
    seen,
    status,
)
from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Observation,
    Problem,
    Running,
    Subject,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe
from tesk_taskmaster.domain.termination import INVALID_REPORT

X1 = replace(EXECUTOR, container="x1", earlier=("in", "x0"), later=("out",))
OUT = replace(FILER, container="out", earlier=("in", "x0", "x1"))
RUNS: JsonObject = {"running": {"startedAt": "2026-11-22T19:18:47Z"}}
HELD: JsonObject = {"waiting": {"reason": "PodInitializing"}}
NO_IMAGE: JsonObject = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}


def over(code: int = 0, **fields: Any) -> JsonObject:
    return {"terminated": {"exitCode": code, "reason": "Error", **fields}}


def look(subject: Subject, *edits: Edit, **overrides: Any) -> Observation:
    return observe(seen("runs", *edits, subject=subject, **overrides))


def together(*states: JsonObject) -> Edit:
    return containers(dict(zip(("in", "x0", "x1", "out"), states, strict=True)))


def in_sequence(*states: JsonObject) -> Edit:
    *first, last = states
    init = dict(zip(("in", "x0", "x1"), first, strict=True))
    return containers({"out": last}, init=init)


ORDERS = {"together": together, "in sequence": in_sequence}
by_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)


@by_order
def test_it_runs_when_those_before_it_have_ended(order: Any) -> None:
    assert isinstance(look(X1, order(over(), over(3), RUNS, HELD)), Running)


def test_it_waits_while_one_before_it_runs() -> None:
    observed = look(X1, together(over(), RUNS, RUNS, RUNS))

    assert isinstance(observed, Waiting)
    assert observed.reason.text == "executors[1]: waiting for the step before it"


@by_order
def test_the_end_of_its_own_container_is_its_end(order: Any) -> None:
    done = over(4, message=make_report(4))

    observed = look(X1, order(over(), over(), done, RUNS))

    assert isinstance(observed, Ended)
    assert observed.result.exit_code == 4


@by_order
def test_a_problem_of_its_own_container_is_its_problem(order: Any) -> None:
    observed = look(X1, order(over(), over(), NO_IMAGE, HELD))

    assert isinstance(observed, Problem)
    assert (observed.cause, observed.image) == ("not found", "")


def test_a_problem_of_a_later_container_is_not_its_problem() -> None:
    pulls = happened("Failed", 'Failed to pull image "y": not found')
    pulls["involvedObject"] = {"fieldPath": "spec.containers{out}"}

    waiting = {"waiting": {"reason": "ContainerCreating"}}
    observed = look(X1, together(over(), over(), waiting, NO_IMAGE), events=[pulls])

    assert not isinstance(observed, Problem) or observed.cause == "node node-1"


def test_what_a_node_pulls_for_another_step_is_not_told_of_it() -> None:
    pulling = happened("Pulling", "Pulling")
    pulling["involvedObject"] = {"fieldPath": "spec.containers{out}"}
    own = happened("Pulling", "Pulling", at="2026-11-22T19:19:00Z")
    own["involvedObject"] = {"fieldPath": "spec.containers{x1}"}
    states = (over(), over(), {"waiting": {"reason": "ContainerCreating"}}, HELD)

    others = look(X1, together(*states), events=[pulling])
    with_own = look(X1, together(*states), events=[own, pulling])

    assert isinstance(others, Problem)
    assert isinstance(with_own, Waiting)
    assert with_own.reason.text == "executors[1]: pulling image registry.example/x:1"


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
