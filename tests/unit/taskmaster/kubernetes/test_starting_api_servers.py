"""An API server that has just started refuses for a moment what it allows later."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from fakes.kubernetes_faults import no_right
from fakes.scheduler_environment import FrozenClock
from fakes.taskmaster_cluster_runtimes import Programs
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, NOTHING, SECOND, ClusterHarness
from tesk_kubernetes.api import (
    JOBS,
    LIMIT_RANGES,
    SECRETS,
    ApiUnavailableError,
    JsonObject,
    KubernetesError,
    RefusedError,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.limit_ranges import LimitRangeCache
from tesk_taskmaster.adapters.kubernetes.control.retries import RetriedCalls
from tesk_taskmaster.ports import StepFailedError

MINUTE = timedelta(minutes=1)
SAID = 'waiting for the Kubernetes API: jobs is forbidden: User "u" cannot'


def test_an_attempt_waits_until_its_api_server_knows_its_rights(
    harness: ClusterHarness,
) -> None:
    Programs(harness.api, harness.cluster)
    harness.api.fail_next("create", SECRETS, no_right("create", SECRETS))
    harness.api.fail_next("create", JOBS, no_right("create", JOBS))

    harness.prepare()
    harness.start()

    assert harness.result().exit_code == 0
    assert any(text.startswith(SAID) for text in harness.report_reason.reasons)


def test_what_runs_is_found_again_when_the_api_server_knows_the_rights(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    harness.run()
    successor = harness.runtimes.open_runtime()
    successor.prepare(harness.plan, "token", harness.report_reason)
    harness.api.fail_next("get", JOBS, no_right("get", JOBS))

    successor.start(harness.plan, "x0", harness.report_reason, has_started=True)

    assert any(text.startswith(SAID) for text in harness.report_reason.reasons)
    assert successor.wait(ATTEMPT, "x0", NOTHING) is None


def test_a_right_that_stays_away_is_missed_by_name(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(refusal_timeout=NOTHING)
    harness.prepare()
    harness.api.faults.forbid("create", JOBS)

    with pytest.raises(
        StepFailedError, match=r"executors\[0\]: the cluster refuses to create its Job"
    ) as caught:
        harness.start()

    assert not caught.value.lost


class Answers:
    """An API server that gives these answers, one after another; then all is well."""

    def __init__(self, *errors: KubernetesError) -> None:
        self.calls = 0
        self._errors = iter(errors)

    def __call__(self) -> JsonObject:
        self.calls += 1
        for error in self._errors:
            raise error
        return {}


class Waits:
    """Lets time pass with each wait that is reported."""

    def __init__(self, clock: FrozenClock, *lengths: timedelta) -> None:
        self._clock = clock
        self._lengths: Iterator[timedelta] = iter(lengths)

    def __call__(self, reason: Reason) -> None:
        assert reason.code is ReasonCode.API_SERVER_UNREACHABLE
        self._clock.advance(next(self._lengths))


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def retried(harness: ClusterHarness, clock: FrozenClock) -> RetriedCalls:
    return RetriedCalls(harness.api, clock, KubernetesSettings())


def test_a_right_is_missing_if_nothing_gives_it_for_a_minute(
    harness: ClusterHarness, clock: FrozenClock
) -> None:
    answers = Answers(*[no_right("list", JOBS)] * 3)

    with pytest.raises(StepFailedError) as caught:
        retried(harness, clock).call(answers, Waits(clock, MINUTE - SECOND, SECOND))

    assert answers.calls == 3
    assert caught.value.lost
    assert str(caught.value) == (
        "the cluster refuses a call of the taskmaster: jobs is forbidden: "
        'User "u" cannot list resource "jobs"'
    )


def test_a_minute_begins_anew_when_an_api_server_starts_again(
    harness: ClusterHarness, clock: FrozenClock
) -> None:
    forbidden = no_right("list", JOBS)
    answers = Answers(forbidden, ApiUnavailableError("away"), forbidden)

    retried(harness, clock).call(answers, Waits(clock, *[MINUTE] * 3))

    assert answers.calls == 4


def test_a_refusal_of_another_kind_is_no_reason_to_wait(
    harness: ClusterHarness, clock: FrozenClock
) -> None:
    answers = Answers(RefusedError("cannot decode"))

    with pytest.raises(StepFailedError, match="call of the taskmaster: cannot decode"):
        retried(harness, clock).call(answers, Waits(clock))


def test_what_was_created_is_not_looked_for_without_the_right(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(refusal_timeout=NOTHING)
    harness.prepare()
    successor = harness.runtimes.open_runtime()
    eventually(lambda: harness.api.watches().count == 6)  # of both, what they cache
    harness.api.faults.forbid("list", JOBS)

    with pytest.raises(StepFailedError, match="the cluster refuses a call") as caught:
        successor.prepare(harness.plan, "token", harness.report_reason)

    assert caught.value.lost


def limit_ranges(harness: ClusterHarness, clock: FrozenClock) -> LimitRangeCache:
    return LimitRangeCache(harness.api, clock, MINUTE)


def test_limits_are_not_taken_for_none_before_the_rights_are_known(
    harness: ClusterHarness, clock: FrozenClock
) -> None:
    cache = limit_ranges(harness, clock)
    body = {"spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]}}
    harness.api.plant(LIMIT_RANGES, "tasks", body | {"metadata": {"name": "tight"}})
    harness.api.fail_next("list", LIMIT_RANGES, no_right("list", LIMIT_RANGES))

    with pytest.raises(ApiUnavailableError, match="cannot list"):
        cache.limits_of("tasks")

    assert [each.name for each in cache.limits_of("tasks")] == ["tight"]


def test_limits_are_waited_for_anew_when_an_api_server_starts_again(
    harness: ClusterHarness, clock: FrozenClock
) -> None:
    cache = limit_ranges(harness, clock)
    forbidden = no_right("list", LIMIT_RANGES)
    for error in (forbidden, ApiUnavailableError("away"), forbidden):
        harness.api.fail_next("list", LIMIT_RANGES, error)
        with pytest.raises(ApiUnavailableError):
            cache.limits_of("tasks")
        clock.advance(MINUTE / 2)


def test_a_missing_right_to_read_limits_delays_once(
    harness: ClusterHarness, clock: FrozenClock
) -> None:
    cache = limit_ranges(harness, clock)
    harness.api.faults.forbid("list", LIMIT_RANGES)
    with pytest.raises(ApiUnavailableError):
        cache.limits_of("tasks")

    clock.advance(MINUTE)
    assert cache.limits_of("tasks") == ()
    clock.advance(MINUTE)
    harness.api.down()
    with pytest.raises(ApiUnavailableError):
        cache.limits_of("tasks")
    harness.api.up()
    assert cache.limits_of("tasks") == ()


def test_a_right_to_read_limits_that_was_there_may_come_back(
    harness: ClusterHarness, clock: FrozenClock
) -> None:
    cache = limit_ranges(harness, clock)
    harness.api.fail_next("list", LIMIT_RANGES, no_right("list", LIMIT_RANGES))
    with pytest.raises(ApiUnavailableError):
        cache.limits_of("tasks")
    assert cache.limits_of("tasks") == ()

    clock.advance(MINUTE)
    harness.api.fail_next("list", LIMIT_RANGES, no_right("list", LIMIT_RANGES))
    with pytest.raises(ApiUnavailableError):
        cache.limits_of("tasks")
