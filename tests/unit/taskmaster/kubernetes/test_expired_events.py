"""What is known of a pod whose events the API server has dropped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.taskmaster_cluster_runtimes import make_settings, make_templates
from taskmasters.pods import EXECUTOR, happened, seen, waits
from tesk_kubernetes.api import EVENTS, PODS, JsonObject
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.adapters.kubernetes.control.cache import (
    AttemptObjects,
    ObjectCache,
)
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.informers import Informers
from tesk_taskmaster.adapters.kubernetes.control.query_pace import QueryPace
from tesk_taskmaster.adapters.kubernetes.control.retries import RetriedCalls
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.status.events import with_expired
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Observation,
    Problem,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe


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


def make_cluster(api: FakeKubernetesApi) -> Cluster:
    clock, settings = SystemClock(), make_settings()
    return Cluster(
        api=api,
        calls=RetriedCalls(api, clock, settings),
        informers=Informers(api, ObjectCache(), instance="test", taskmaster="tm0"),
        queries=QueryPace(clock=clock),
        templates=make_templates(),
        clock=clock,
        settings=settings,
    )


def test_a_pull_that_lasts_longer_than_events_are_kept_is_waited_for() -> None:
    api, cached = FakeKubernetesApi(), AttemptObjects()
    record = seen("runs", waits("ContainerCreating"))
    assert record.job is not None
    assert record.pod is not None
    namespace = record.pod["metadata"]["namespace"]
    cached.put((PODS.plural, record.pod["metadata"]["name"], "tm0"), record.pod)
    objects = StepObjects(
        make_cluster(api), cached, record.job, namespace=namespace, is_adopted=False
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


CREATED = datetime(2026, 11, 22, 19, 18, tzinfo=UTC)


class PassedClock(SystemClock):
    """A clock on which a time has passed since the pod was created."""

    def __init__(self, passed: timedelta) -> None:
        self._passed = passed

    def now(self) -> datetime:
        return CREATED + self._passed


@pytest.mark.parametrize(
    ("is_adopted", "hours", "kind"),
    [(True, 3, Waiting), (True, 1, Problem), (False, 3, Problem)],
)
def test_a_pull_of_which_a_successor_knows_nothing_any_more_is_waited_for(
    *, is_adopted: bool, hours: int, kind: type[Observation]
) -> None:
    cached = AttemptObjects()
    record = seen("runs", waits("ContainerCreating"))
    assert record.job is not None
    assert record.pod is not None
    namespace = record.pod["metadata"]["namespace"]
    cached.put((PODS.plural, record.pod["metadata"]["name"], "tm0"), record.pod)
    cluster = replace(
        make_cluster(FakeKubernetesApi()), clock=PassedClock(timedelta(hours=hours))
    )
    objects = StepObjects(
        cluster, cached, record.job, namespace=namespace, is_adopted=is_adopted
    )

    assert type(observe(objects.snapshot(EXECUTOR))) is kind
