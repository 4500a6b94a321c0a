"""How long a step may take to begin: counted from when its pod came to it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from taskmasters.pods import (
    EXECUTOR,
    FILER,
    SETTINGS,
    Edit,
    containers,
    happened,
    judge,
    seen,
)
from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.adapters.kubernetes.status.events import KEPT
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Observation,
    Problem,
    Snapshot,
    Subject,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe

X1 = replace(EXECUTOR, container="x1", earlier=("in", "x0"), later=("out",))
OUT = replace(FILER, container="out", earlier=("in", "x0", "x1"))
ENDED = "2026-11-22T21:18:46Z"  # two hours after the pod was bound
WAITS: JsonObject = {"waiting": {"reason": "PodInitializing"}}
RUNS: JsonObject = {"running": {"startedAt": "2026-11-22T19:18:50Z"}}


def over(at: str | None) -> JsonObject:
    times = {"startedAt": "2026-11-22T19:18:48Z", "finishedAt": at}
    return {"terminated": {"exitCode": 0, "reason": "Completed", **times}}


FIRST = over("2026-11-22T19:19:00Z")


def together(*states: JsonObject) -> Edit:
    return containers(dict(zip(("in", "x0", "x1", "out"), states, strict=True)))


def in_sequence(*states: JsonObject) -> Edit:
    *first, last = states
    init = dict(zip(("in", "x0", "x1"), first, strict=True))
    return containers({"out": last}, init=init)


LATER: dict[str, tuple[Subject, Edit]] = {
    "an init container after another": (
        X1,
        in_sequence(FIRST, over(ENDED), WAITS, WAITS),
    ),
    "the container after the init containers": (
        OUT,
        in_sequence(FIRST, FIRST, over(ENDED), WAITS),
    ),
    "a container beside those that ended": (
        X1,
        together(FIRST, over(ENDED), WAITS, RUNS),
    ),
}
TROUBLES = ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "Created"]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize(("subject", "states"), LATER.values(), ids=LATER)
def test_a_step_has_its_time_from_the_end_of_the_one_before(
    subject: Subject, states: Edit, trouble: str
) -> None:
    snapshot = seen("runs", states, subject=subject, events=[happened(trouble, "x")])

    observed = observe(snapshot)

    assert isinstance(observed, Problem)
    assert observed.since == datetime.fromisoformat(ENDED)


def test_one_that_does_not_begin_then_loses_the_attempt() -> None:
    snapshot = seen(
        "runs", in_sequence(FIRST, over(ENDED), WAITS, WAITS), subject=X1, events=()
    )
    limit = SETTINGS.start_timeout.total_seconds()

    assert isinstance(judge(snapshot, limit - 1, SETTINGS), Waiting)
    lost = judge(snapshot, limit, SETTINGS)
    assert isinstance(lost, Ended)
    assert lost.result.lost
    assert lost.result.error == (
        "executors[1]: its node does not start it, for 5 min: node node-1"
    )


def unbound(pod: JsonObject) -> None:
    pod["status"]["conditions"] = []


UNKNOWN: dict[str, Callable[[], Snapshot]] = {
    # Its filer has told of the end of inputs that took hours.
    "the container before it is about to end": lambda: seen(
        "runs",
        in_sequence(FIRST, RUNS, WAITS, WAITS),
        subject=X1,
        events=(),
        passed=frozenset({"x0"}),
    ),
    "its node has not told when it got the pod": lambda: seen(
        "runs",
        in_sequence(WAITS, WAITS, WAITS, WAITS),
        unbound,
        subject=replace(FILER, container="in", later=("x0", "x1", "out")),
        events=(),
    ),
}


@pytest.mark.parametrize("snapshot", UNKNOWN.values(), ids=UNKNOWN)
def test_it_has_its_time_from_when_it_is_looked_at_if_nothing_else_is_known(
    snapshot: Callable[[], Snapshot],
) -> None:
    observed = observe(snapshot())

    assert isinstance(observed, Problem)
    assert observed.since is None


def test_a_mount_that_failed_before_the_first_container_is_over() -> None:
    states = in_sequence(FIRST, over(ENDED), WAITS, WAITS)
    failed = happened("FailedMount", "failed to sync secret cache")

    judged = judge(seen("runs", states, subject=X1, events=[failed]), 1, SETTINGS)

    assert isinstance(judged, Waiting)
    assert judged.reason.text == "executors[1]: starting on its node: node node-1"


def test_an_image_of_a_container_that_has_run_is_not_waited_for() -> None:
    pulling = happened("Pulling", 'Pulling image "a"')
    pulling["involvedObject"] = {"fieldPath": "spec.initContainers{x0}"}
    states = in_sequence(FIRST, over(ENDED), WAITS, WAITS)

    observed = observe(seen("runs", states, subject=X1, events=[pulling]))

    assert isinstance(observed, Problem)
    assert observed.since == datetime.fromisoformat(ENDED)


OLD: dict[str, tuple[Edit, type[Observation]]] = {
    "its image was pulled from the beginning": (
        together(FIRST, over(ENDED), WAITS, RUNS),
        Waiting,
    ),
    "its image is pulled since the one before it ended": (
        in_sequence(FIRST, over(ENDED), WAITS, WAITS),
        Problem,
    ),
}


@pytest.mark.parametrize(("states", "kind"), OLD.values(), ids=OLD)
def test_events_of_a_pull_may_have_expired_if(
    states: Edit, kind: type[Observation]
) -> None:
    # Read first an hour after the pod came to its node, when the step was next.
    since = datetime.fromisoformat(ENDED) - KEPT

    observed = observe(seen("runs", states, subject=X1, events=(), events_since=since))

    assert isinstance(observed, kind)


def test_an_end_at_an_unknown_time_is_not_counted() -> None:
    states = in_sequence(over(ENDED), over(None), WAITS, WAITS)

    observed = observe(seen("runs", states, subject=X1, events=()))

    assert isinstance(observed, Problem)
    assert observed.since == datetime.fromisoformat(ENDED)
