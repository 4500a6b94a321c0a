"""The informers of a taskmaster tell when what they cached may be old."""

from collections.abc import Iterator

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, CanceledError, ReasonRecorder
from tesk_kubernetes.api import PODS, ApiUnavailableError
from tesk_taskmaster.adapters.kubernetes.control.cache import ObjectCache
from tesk_taskmaster.adapters.kubernetes.control.informers import Informers

AWAY = ApiUnavailableError("away")
FOR_EVER = 10**6


@pytest.fixture
def api() -> FakeKubernetesApi:
    return FakeKubernetesApi()


@pytest.fixture
def informers(api: FakeKubernetesApi) -> Iterator[Informers]:
    made = Informers(api, ObjectCache(), instance="test", taskmaster="own")
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
