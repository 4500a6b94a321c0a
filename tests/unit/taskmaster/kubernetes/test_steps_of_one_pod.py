"""Steps whose containers share a pod: each is seen by its own, in its turn."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.taskmaster_cluster_runtimes import make_report
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
