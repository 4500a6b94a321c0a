"""The informers of a taskmaster: what they cached may be old, and ends with them."""

from collections.abc import Iterator

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, CanceledError, ReasonRecorder
from tesk_kubernetes.api import PODS, ApiUnavailableError, JsonObject
from tesk_kubernetes.labels import INSTANCE, TASKMASTER, attempt_labels
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.kubernetes.control.cache import ObjectCache
from tesk_taskmaster.adapters.kubernetes.control.informers import Informers

AWAY = ApiUnavailableError("away")
OTHER = Attempt(TaskId("k2"), 1)
FOR_EVER = 10**6


@pytest.fixture
def api() -> FakeKubernetesApi:
    return FakeKubernetesApi()


@pytest.fixture
def cache() -> ObjectCache:
    return ObjectCache()


@pytest.fixture
def informers(api: FakeKubernetesApi, cache: ObjectCache) -> Iterator[Informers]:
    made = Informers(api, cache, instance="test", taskmaster="own")
    made.open(["tasks", "others"])
    eventually(lambda: api.watches().count == 6)
    yield made
    made.close()


def test_what_a_predecessor_created_may_be_old_although_its_own_is_not(
    api: FakeKubernetesApi, informers: Informers
) -> None:
    api.fail_next("list", PODS, AWAY, times=FOR_EVER)

    with pytest.raises(CanceledError):
        informers.watch(ATTEMPT, "tasks", "before", ReasonRecorder(until="away"))

    assert informers.problem("tasks") == "away"
    assert not informers.problem("others")


def test_what_nobody_watches_any_more_is_not_old(
    api: FakeKubernetesApi, informers: Informers
) -> None:
    api.fail_next("list", PODS, AWAY, times=FOR_EVER)
    with pytest.raises(CanceledError):
        informers.watch(ATTEMPT, "tasks", "before", ReasonRecorder(until="away"))

    informers.unwatch(ATTEMPT)

    assert not informers.problem("tasks")


def test_what_nobody_watches_any_more_is_forgotten(
    api: FakeKubernetesApi, cache: ObjectCache, informers: Informers
) -> None:
    api.plant(PODS, "tasks", pod_of(OTHER, creator="before"))
    informers.watch(ATTEMPT, "tasks", "before", ReasonRecorder())
    others = cache.retain(OTHER)
    seen = others.version
    assert [entry.name for entry in others.all(PODS)] == [OTHER.name]

    informers.unwatch(ATTEMPT)

    assert others.all(PODS) == []
    assert others.version != seen, "who waits is not woken"
    cache.release(OTHER)
    assert cache.retain(OTHER) is not others, "it is kept for ever"


def test_what_two_attempts_need_is_forgotten_with_the_last_of_them(
    api: FakeKubernetesApi, cache: ObjectCache, informers: Informers
) -> None:
    api.plant(PODS, "tasks", pod_of(OTHER, creator="before"))
    others = cache.retain(OTHER)
    for attempt in (ATTEMPT, OTHER):
        informers.watch(attempt, "tasks", "before", ReasonRecorder())

    informers.unwatch(ATTEMPT)
    assert [entry.name for entry in others.all(PODS)] == [OTHER.name]

    informers.unwatch(OTHER)
    assert others.all(PODS) == []


def test_what_a_closed_informer_still_tells_does_not_count(cache: ObjectCache) -> None:
    pod = pod_of(OTHER, creator="before")
    others = cache.retain(OTHER)
    ended, new = cache.open_source(), cache.open_source()
    late = cache.writer(PODS, ended)
    late(OTHER.name, pod)
    cache.writer(PODS, new)(OTHER.name, pod)

    cache.close_source(ended)
    late("late", pod)
    late(OTHER.name, None)

    assert [(entry.name, entry.is_gone) for entry in others.all(PODS)] == [
        (OTHER.name, False)
    ]


def pod_of(attempt: Attempt, *, creator: str) -> JsonObject:
    labels = {INSTANCE: "test", TASKMASTER: creator, **attempt_labels(attempt)}
    metadata = {"name": attempt.name, "labels": labels}
    return {"metadata": metadata, "spec": {}, "status": {}}
