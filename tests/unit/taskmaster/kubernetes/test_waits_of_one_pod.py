"""Steps whose containers share a pod, and wait: each for what is in its own way."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from taskmasters.pods import EXECUTOR, containers, happened
from taskmasters.shared_pods import (
    CREATING,
    FAILED_IN_SEQUENCE,
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
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Observation,
    Problem,
    ProblemKind,
    Waiting,
)


def test_outputs_that_a_node_starts_after_a_broken_image_are_told_of_it() -> None:
    absent = in_sequence(PASSED, FAILED_IN_SEQUENCE, NO_IMAGE, HELD)
    busy = happened("Pulling", 'Pulling image "y"', at="2026-11-22T19:19:00Z")
    busy["involvedObject"] = {"fieldPath": "spec.initContainers{x1}"}
    slow = in_sequence(PASSED, FAILED_IN_SEQUENCE, HELD, HELD)

    observed, pulled = look(OUT, absent), look(OUT, slow, events=[busy])

    assert isinstance(observed, Problem)
    assert (observed.kind, observed.cause) == (ProblemKind.IMAGE_ABSENT, "not found")
    assert isinstance(pulled, Waiting)
    assert pulled.reason.code == ReasonCode.IMAGE_PULLING


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


LATE = datetime(2026, 11, 22, 21, tzinfo=UTC)
TROUBLES: dict[str, tuple[JsonObject, str, ProblemKind]] = {
    "its image": (
        {"reason": "ErrImagePull", "message": "toomanyrequests"},
        'Failed to pull image "x": toomanyrequests',
        ProblemKind.IMAGE,
    ),
    "its start": (
        {"reason": "CreateContainerError", "message": "deadline exceeded"},
        "Error: context deadline exceeded",
        ProblemKind.CONTAINER,
    ),
}


@by_order
@pytest.mark.parametrize(("waiting", "told", "kind"), TROUBLES.values(), ids=TROUBLES)
def test_a_problem_began_with_its_own_container(
    order: Any, waiting: JsonObject, told: str, kind: ProblemKind
) -> None:
    before = happened("Failed", told)
    before["involvedObject"] = {"fieldPath": "spec.initContainers{x0}"}
    own = happened("Failed", told, at=LATE.isoformat())
    own["involvedObject"] = {"fieldPath": "spec.initContainers{x1}"}

    states = order(PASSED, PASSED, {"waiting": waiting}, HELD)
    observed = look(X1, states, events=[before, own])

    assert isinstance(observed, Problem)
    assert (observed.kind, observed.since) == (kind, LATE)


def test_a_container_that_has_begun_is_not_held_up_by_a_pull_that_failed_before() -> (
    None
):
    failed = happened("Failed", 'Failed to pull image "x": 503')
    started = happened("Started", at="2026-11-22T19:21:00Z")
    for each in (failed, started):
        each["involvedObject"] = {"fieldPath": "spec.containers{x0}"}
    pulling = happened("Pulling", 'Pulling image "y"', at="2026-11-22T19:22:00Z")
    pulling["involvedObject"] = {"fieldPath": "spec.containers{x1}"}
    shown = {"waiting": {"reason": "ErrImagePull", "message": "503"}}

    observed = look(
        X0, together(over(), shown, CREATING, HELD), events=[failed, started, pulling]
    )

    assert isinstance(observed, Waiting)
    assert observed.reason.code == ReasonCode.IMAGE_PULLING


@by_order
@pytest.mark.parametrize("state", [HELD, RUNS], ids=["waits", "runs"])
def test_an_executor_that_a_new_pod_runs_again_is_lost(
    order: Any, state: JsonObject
) -> None:
    observed = look(X1, order(PASSED, RUNS, state, HELD))

    assert isinstance(observed, Ended)
    assert observed.result.lost
    assert observed.result.error == (
        "executors[1] lost: a new pod runs executors[0] again"
    )


def test_while_a_node_pulls_for_another_step_it_waits() -> None:
    pulling = happened("Pulling", 'Pulling image "y"')
    pulling["involvedObject"] = {"fieldPath": "spec.containers{out}"}
    own = happened("Pulling", "Pulling", at="2026-11-22T19:19:00Z")
    own["involvedObject"] = {"fieldPath": "spec.containers{x1}"}
    states = (over(), over(), CREATING, HELD)

    others = look(X1, together(*states), events=[pulling])
    with_own = look(X1, together(*states), events=[own, pulling])

    assert isinstance(others, Waiting)
    assert others.reason.text == (
        'executors[1]: its pod waits for an image of another step: Pulling image "y"'
    )
    assert isinstance(with_own, Waiting)
    assert with_own.reason.text == "executors[1]: pulling image registry.example/x:1"


def test_a_node_that_has_just_pulled_an_image_has_not_stalled() -> None:
    pulled = happened("Pulled", "Pulled", at=LATE.isoformat())
    pulled["involvedObject"] = {"fieldPath": "spec.containers{out}"}

    observed = look(X1, together(over(), over(), CREATING, HELD), events=[pulled])

    assert isinstance(observed, Problem)
    assert observed.kind is ProblemKind.STALLED
    assert observed.since == LATE


def look_at_last(many: int) -> Observation:
    """Observe the last executor of a pod of many, whose node tells nothing of it."""
    names = [f"x{number}" for number in range(many)]
    pulled = happened("Pulled", "Pulled", at=LATE.isoformat())
    pulled["involvedObject"] = {"fieldPath": "spec.containers{x0}"}
    last = replace(EXECUTOR, container=names[-1], earlier=tuple(names[:-1]))
    states = {**dict.fromkeys(names, over()), names[-1]: CREATING}
    return look(last, containers(states), events=[pulled])


def test_a_step_whose_events_a_node_may_have_dropped_waits() -> None:
    observed = look_at_last(8)

    assert isinstance(observed, Waiting)
    assert observed.reason.code == ReasonCode.IMAGE_PULLING
    assert observed.reason.text == (
        "executors[1]: its container is not started yet, and its node tells no more of "
        "this pod"
    )


def test_a_step_whose_node_would_have_told_of_it_is_held_up() -> None:
    observed = look_at_last(7)

    assert isinstance(observed, Problem)
    assert observed.kind is ProblemKind.STALLED
