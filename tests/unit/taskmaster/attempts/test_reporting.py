"""A taskmaster and its scheduler: reports, lease and exit."""

import itertools
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from taskmasters.running import (
    ATTEMPT,
    OUTPUTS,
    SETTINGS,
    TaskmasterHarness,
    assignment,
    commands,
    kinds,
    outcome,
    running,
)
from tesk_model.errors import InvalidRequestError, UnavailableError, Violation
from tesk_model.events import (
    ExecutorEnded,
    ExecutorStarted,
    Finished,
    Outcome,
    Released,
)
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.usecases.reporter import Reporter

ENDED = ExecutorEnded(
    index=0, exit_code=0, stdout="", stderr="", start_time=None, end_time=None
)


def test_reports_are_repeated_until_they_are_durable(
    harness: TaskmasterHarness,
) -> None:
    gone = UnavailableError("not the leader")
    harness.scheduler.fail_next(gone, gone, gone)

    told = harness.finish(assignment())

    assert kinds(told) == [ExecutorStarted, ExecutorEnded, Finished, Released]


def test_the_last_exit_and_the_outcome_cost_one_report(
    harness: TaskmasterHarness,
) -> None:
    told = harness.finish(assignment(commands("true", "true")))

    ends = list(itertools.accumulate(harness.scheduler.batches))
    finished = told.index(outcome(told))
    assert isinstance(told[finished - 1], ExecutorEnded)
    assert finished not in ends  # no batch ended between the two


@pytest.mark.parametrize("code", [0, 1])
def test_outputs_do_not_wait_for_what_is_held(code: int) -> None:
    harness = TaskmasterHarness(hold=timedelta(hours=1))
    harness.state.filer_codes = [None]
    with running(harness):
        harness.scheduler.assign(assignment(commands("sleep", outputs=OUTPUTS)))
        harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
        harness.state.finish(ATTEMPT, "x0", code)
        harness.state.wait_started(ATTEMPT, "out")

        # Before it the scheduler takes no outputs.
        assert harness.scheduler.wait_for(ATTEMPT, ExecutorEnded)


def logged(caplog: pytest.LogCaptureFixture, *events: str) -> list[str]:
    return [record.message for record in caplog.records if record.message in events]


def test_reports_that_fail_again_and_again_are_logged_once(
    harness: TaskmasterHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    gone = UnavailableError("not the leader")
    harness.scheduler.fail_next(gone, gone, gone)

    harness.finish(assignment())

    assert logged(caplog, "report not delivered", "reports delivered again") == [
        "report not delivered",
        "reports delivered again",
    ]


def test_a_scheduler_that_is_away_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = TaskmasterHarness()
    harness.scheduler.fall_silent(UnavailableError("gone"))
    with running(harness):
        harness.join()

    assert logged(caplog, "sync failed") == ["sync failed"]


def test_a_malformed_event_harms_its_attempt_alone(harness: TaskmasterHarness) -> None:
    harness.scheduler.fail_next(InvalidRequestError([Violation("events[0]", "bad")]))
    harness.scheduler.assign(assignment(commands("sleep")))
    harness.state.wait_started(ATTEMPT, "x0")

    other = Attempt(TaskId("t2"), 1)
    told = harness.finish(assignment(attempt=other))

    assert outcome(told).outcome is Outcome.COMPLETE


def test_an_attempt_with_an_invalid_report_ends(harness: TaskmasterHarness) -> None:
    harness.scheduler.fail_next(InvalidRequestError([Violation("exit_code", "is 300")]))
    harness.scheduler.assign(assignment(commands("sleep")))

    ended = harness.scheduler.wait_for(ATTEMPT, Finished)

    assert isinstance(ended, Finished)
    assert ended.outcome is Outcome.SYSTEM_ERROR
    assert "sent an invalid report: exit_code" in ended.reason.text


def test_reports_that_print_a_lot_travel_in_small_batches(
    harness: TaskmasterHarness,
) -> None:
    tail = "\N{REPLACEMENT CHARACTER}" * 65_536
    reporter = Reporter(harness.scheduler, SystemClock(), hold=timedelta(0))
    reporter.open(ATTEMPT, 0)
    for index in range(100):
        reporter.report(ATTEMPT, replace(ENDED, index=index, stdout=tail, stderr=tail))
    thread = threading.Thread(target=reporter.run)
    thread.start()
    reporter.wait_durable(ATTEMPT)
    reporter.close()
    thread.join()

    sent = sum(harness.scheduler.batches)
    assert sent >= 100
    # 384 KiB each on the wire, where a message may have 64 MiB.
    assert max(harness.scheduler.batches) * 2 * 3 * 65_536 < 16 * 2**20


def test_a_stop_leaves_steps_running(harness: TaskmasterHarness) -> None:
    harness.scheduler.assign(assignment(commands("sleep")))
    harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    harness.stop.set()

    assert harness.join()
    assert harness.state.steps[ATTEMPT]["x0"].result is None
    assert harness.runtime.released == []


def test_a_taskmaster_exits_when_told(harness: TaskmasterHarness) -> None:
    harness.scheduler.dismiss()

    assert harness.join()


def test_a_lost_lease_detaches_all_attempts() -> None:
    harness = TaskmasterHarness()
    harness.scheduler.lease = timedelta(milliseconds=200)
    with running(harness):
        harness.scheduler.assign(assignment(commands("sleep")))
        harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
        harness.scheduler.fall_silent(UnavailableError("gone"))

        assert not harness.join()
    assert harness.state.steps[ATTEMPT]["x0"].result is None
    assert harness.runtime.released == []


def test_a_taskmaster_without_a_scheduler_gives_up() -> None:
    harness = TaskmasterHarness()
    harness.scheduler.fall_silent(UnavailableError("gone"))
    with running(harness):
        assert not harness.join()


def test_all_slots_are_offered(harness: TaskmasterHarness) -> None:
    harness.finish(assignment())

    assert set(harness.scheduler.slots_seen) == {SETTINGS.slots}


def test_a_secret_is_not_in_what_is_logged() -> None:
    assert "secret" not in repr(assignment())
