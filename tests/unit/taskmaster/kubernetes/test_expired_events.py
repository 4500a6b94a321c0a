"""What is known of a pod whose events the API server has dropped."""

from datetime import UTC, datetime, timedelta

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from taskmasters.clusters import HandClock, make_cluster
from taskmasters.pods import EXECUTOR, happened, seen, waits
from tesk_kubernetes.api import EVENTS, PODS, JsonObject
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.status.events import with_expired
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Observation,
    Problem,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe

CREATED = datetime(2026, 11, 22, 19, 18, tzinfo=UTC)


def event_of(container: str, reason: str, at: str = "19:20") -> JsonObject:
    made: JsonObject = happened(reason, reason, at=f"2026-11-22T{at}:00Z")
    made["involvedObject"] = {"fieldPath": f"spec.containers{{{container}}}"}
    return made


PULLING, PULLED = event_of("x0", "Pulling"), event_of("x0", "Pulled", "19:30")
OTHER = event_of("x1", "Pulling")
OF_POD = happened("Scheduled")

LISTS: dict[str, tuple[list[JsonObject], list[JsonObject], list[JsonObject]]] = {
    "a pull that is told of no more goes on": ([], [PULLING], [PULLING]),
    "of each container the last is known": ([], [PULLED, PULLING], [PULLED]),
    "what is told now counts": ([PULLED], [PULLING], [PULLED]),
    "one container says nothing of another": ([PULLED], [OTHER], [PULLED, OTHER]),
    "what is of no container is over": ([], [OF_POD], []),
}


@pytest.mark.parametrize(("found", "known", "want"), LISTS.values(), ids=LISTS)
def test_the_last_known_event_of_a_container_counts(
    found: list[JsonObject], known: list[JsonObject], want: list[JsonObject]
) -> None:
    assert with_expired(found, known) == want


def test_a_pull_that_lasts_longer_than_events_are_kept_is_waited_for() -> None:
    api, cached = FakeKubernetesApi(), AttemptObjects()
    record = seen("runs", waits("ContainerCreating"))
    assert record.job is not None
    assert record.pod is not None
    namespace = record.pod["metadata"]["namespace"]
    cached.put((PODS.plural, record.pod["metadata"]["name"], 0), record.pod)
    objects = StepObjects(
        make_cluster(api, HandClock(CREATED)),
        cached,
        record.job,
        namespace=namespace,
        is_adopted=False,
    )
    pulling = event_of(EXECUTOR.container, "Pulling")
    pulling["involvedObject"]["uid"] = record.pod["metadata"]["uid"]
    api.plant(EVENTS, namespace, pulling)
    objects.query()

    api.vanish(EVENTS, namespace, pulling["metadata"]["name"])
    objects.query()

    observed = observe(objects.snapshot(EXECUTOR))
    assert api.all(EVENTS) == []
    assert isinstance(observed, Waiting)
    assert observed.reason.text == "executors[1]: pulling image registry.example/x:1"


@pytest.mark.parametrize(
    ("hours", "was_read", "kind"),
    [(3, True, Waiting), (1, True, Problem), (3, False, Problem)],
)
def test_a_pull_of_which_nothing_is_known_any_more_is_waited_for(
    *, hours: int, was_read: bool, kind: type[Observation]
) -> None:
    cached = AttemptObjects()
    record = seen("runs", waits("ContainerCreating"))
    assert record.job is not None
    assert record.pod is not None
    namespace = record.pod["metadata"]["namespace"]
    cached.put((PODS.plural, record.pod["metadata"]["name"], 0), record.pod)
    clock = HandClock(CREATED + timedelta(hours=hours))
    objects = StepObjects(
        make_cluster(FakeKubernetesApi(), clock),
        cached,
        record.job,
        namespace=namespace,
        is_adopted=True,
    )
    if was_read:
        objects.query()

    assert type(observe(objects.snapshot(EXECUTOR))) is kind
