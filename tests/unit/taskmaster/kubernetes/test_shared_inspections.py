"""Attempts with one image share the inspection that the first of them begins."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fakes.taskmaster_cluster_runtimes import Programs
from fakes.taskmaster_reports import make_report
from taskmasters.attempts import ATTEMPT, NAME, CanceledError, ClusterHarness
from tesk_kubernetes.api import JOBS, QuotaExceededError
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.ports import StepFailedError

ASKED = ["/app", "/data"]
OTHER = Attempt(TaskId("k2"), 1)


@pytest.fixture
def second(harness: ClusterHarness) -> Plan:
    """Return the plan of a second attempt with the same image, both prepared."""
    plan = replace(harness.plan, attempt=OTHER)
    harness.prepare()
    harness.runtime.prepare(plan, "token", harness.report_reason)
    return plan


def begin(harness: ClusterHarness, *plans: Plan) -> None:
    for plan in plans:
        harness.runtime.begin_inspection(plan, {0: ASKED}, harness.report_reason)


def inspect(harness: ClusterHarness, plan: Plan) -> list[str]:
    found = harness.runtime.inspect_image(plan, 0, ASKED, harness.report_reason)
    return list(found)


def jobs(harness: ClusterHarness) -> list[str]:
    return sorted(job["metadata"]["name"] for job in harness.api.all(JOBS))


def test_one_job_answers_attempts_that_begin_at_once(
    harness: ClusterHarness, second: Plan
) -> None:
    Programs(harness.api, harness.cluster).occupied.add("/app")

    begin(harness, harness.plan, second)

    assert inspect(harness, second) == ["/app"]
    assert inspect(harness, harness.plan) == ["/app"]
    assert jobs(harness) == [f"{NAME}-p0"]


def test_an_attempt_does_not_wait_for_one_that_was_released(
    harness: ClusterHarness, second: Plan
) -> None:
    begin(harness, harness.plan, second)
    harness.runtime.release(ATTEMPT)
    Programs(harness.api, harness.cluster).occupied.add("/data")

    assert inspect(harness, second) == ["/data"]
    assert jobs(harness) == [f"{OTHER.name}-p0"]


def test_a_failure_of_anothers_inspection_is_nobody_elses(
    harness: ClusterHarness, second: Plan
) -> None:
    begin(harness, harness.plan, second)
    harness.cluster.finish(
        harness.cluster.start(harness.pod("p0")), 125, report=make_report(125)
    )
    Programs(harness.api, harness.cluster).occupied.add("/app")

    assert inspect(harness, second) == ["/app"]
    with pytest.raises(StepFailedError):
        harness.runtime.inspect_image(
            harness.plan, 0, ["/other"], harness.report_reason
        )


def test_who_waits_for_anothers_inspection_can_be_canceled(
    harness: ClusterHarness, second: Plan
) -> None:
    begin(harness, harness.plan, second)

    def cancel(_reason: object) -> None:
        raise CanceledError

    with pytest.raises(CanceledError):
        harness.runtime.inspect_image(second, 0, ASKED, cancel)


def test_an_inspection_that_cannot_begin_is_waited_for_by_nobody(
    harness: ClusterHarness, second: Plan
) -> None:
    harness.report_reason.until = "quota"
    harness.api.fail_next("create", JOBS, QuotaExceededError("exceeded quota: q"))
    with pytest.raises(CanceledError):
        begin(harness, harness.plan)
    Programs(harness.api, harness.cluster)

    begin(harness, second)

    assert inspect(harness, second) == []
    assert jobs(harness) == [f"{OTHER.name}-p0"]


class MovedClock(SystemClock):
    """The time, and as much later as a test says."""

    later = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.later


def test_one_of_those_that_wait_too_long_begins_another_for_all(
    harness: ClusterHarness,
) -> None:
    clock = harness.runtimes.clock = MovedClock()
    harness.runtime = harness.runtimes.open_runtime()
    others = [
        replace(harness.plan, attempt=Attempt(TaskId(f"k{number}"), 1))
        for number in range(2, 6)
    ]
    for plan in (harness.plan, *others):
        harness.runtime.prepare(plan, "token", harness.report_reason)
    begin(harness, harness.plan, *others)  # and its pod gets no node
    assert jobs(harness) == [f"{NAME}-p0"]
    clock.later = 61.0
    Programs(harness.api, harness.cluster).occupied.add("/app")

    with ThreadPoolExecutor(len(others)) as threads:
        found = list(threads.map(lambda plan: inspect(harness, plan), others))

    assert found == [["/app"]] * len(others)
    assert len(jobs(harness)) == 2
