"""The runtime of a cluster whose queues hold Jobs back, and take their room back."""

import pytest

from fakes.taskmaster_reports import make_report
from programs.waiting import eventually
from taskmasters.attempts import (
    ATTEMPT,
    NAME,
    NOTHING,
    CanceledError,
    ClusterHarness,
)
from tesk_kubernetes.api import JOBS, PODS, WORKLOADS, JsonObject
from tesk_kubernetes.labels import WORKLOAD_JOB
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.ports import StepFailedError

TAKEN_BACK = "executors[0] lost: the queue science of the cluster took its room back"


class QueueHarness(ClusterHarness):
    """An attempt whose executors are in a queue."""

    def __init__(self) -> None:
        super().__init__(queue="science")
        self.prepare()

    def job(self) -> JsonObject:
        return eventually(lambda: next(iter(self.api.all(JOBS)), None), what="the Job")

    def wait_in_queue(self, words: str = "") -> None:
        """Start, and give up when it says that it waits."""
        self.report_reason.until = (
            f"executors[0]: waiting in the queue science of the cluster{words}"
        )
        with pytest.raises(CanceledError):
            self.start()
        self.report_reason.until = ""

    def run_admitted(self) -> JsonObject:
        """Start, be admitted at once, and run."""
        self.cluster.admit(self._created())
        return self.run()

    def _created(self) -> JsonObject:
        self.wait_in_queue()
        return self.job()

    def succeed(self) -> None:
        """Let another taskmaster go on."""
        self.runtime.close()
        self.runtime = self.runtimes.open_runtime()
        self.prepare()

    def suspend(self, step: str) -> None:
        """Let the queue take the room of a Job back, whatever its pod does."""
        self.api.change(
            JOBS,
            "tasks",
            f"{NAME}-{step}",
            lambda job: job["spec"].update(suspend=True),
        )

    def wait_for_jobs(self, *steps: str) -> None:
        """Wait for the last of the steps, or x0, until there are the Jobs of these."""
        wanted = [f"{NAME}-{step}" for step in steps]

        def are_left() -> bool:
            self.runtime.wait(ATTEMPT, steps[-1] if steps else "x0", NOTHING)
            return [job["metadata"]["name"] for job in self.api.all(JOBS)] == wanted

        eventually(are_left, what=f"the Jobs {wanted}")

    def plant_workload(self, *conditions: JsonObject) -> None:
        labels = {WORKLOAD_JOB: self.job()["metadata"]["uid"]}
        body = {
            "metadata": {"name": "job-w", "labels": labels},
            "status": {"conditions": conditions},
        }
        self.api.plant(WORKLOADS, "tasks", body)


@pytest.fixture
def queued() -> QueueHarness:
    return QueueHarness()


def test_an_executor_waits_in_its_queue_and_says_so(queued: QueueHarness) -> None:
    queued.wait_in_queue()

    assert queued.api.all(PODS) == []


MESSAGES: dict[str, tuple[list[JsonObject], str]] = {
    "no room": (
        [{"type": "QuotaReserved", "status": "False", "message": "no room for cpu"}],
        ": no room for cpu",
    ),
    "room, but a check is missing": (
        [
            {"type": "QuotaReserved", "status": "True", "message": "has room"},
            {"type": "Admitted", "status": "False", "message": "needs a node"},
        ],
        ": needs a node",
    ),
}


@pytest.mark.parametrize(("conditions", "words"), MESSAGES.values(), ids=MESSAGES)
def test_what_the_queue_says_is_in_the_reason(
    queued: QueueHarness, conditions: list[JsonObject], words: str
) -> None:
    queued.wait_in_queue()
    queued.plant_workload(*conditions)
    queued.succeed()

    queued.wait_in_queue(words)


def test_an_admitted_executor_runs(queued: QueueHarness) -> None:
    pod = queued.run_admitted()
    queued.cluster.finish(pod, report=make_report(0))

    assert queued.result().exit_code == 0


def test_an_executor_whose_room_is_taken_back_is_lost_and_its_job_goes(
    queued: QueueHarness,
) -> None:
    queued.run_admitted()
    queued.cluster.preempt(queued.job())

    result = queued.result()

    assert (result.lost, result.code) == (True, ReasonCode.PREEMPTED)
    assert result.error == TAKEN_BACK
    assert queued.api.all(JOBS) == []


def test_an_executor_of_which_nothing_ran_goes_on_waiting(
    queued: QueueHarness,
) -> None:
    queued.wait_in_queue()
    queued.cluster.admit(queued.job())
    queued.cluster.preempt(queued.job())

    queued.wait_in_queue()
    queued.cluster.admit(queued.job())

    pod = queued.run()
    queued.cluster.finish(pod, 3, report=make_report(3))
    assert queued.result().exit_code == 3


def test_an_executor_that_had_ended_keeps_its_result_and_is_not_run_again(
    queued: QueueHarness,
) -> None:
    pod = queued.run_admitted()
    queued.suspend("x0")
    queued.cluster.finish(pod, report=make_report(0))

    result = queued.result()
    assert (result.exit_code, result.error) == (0, "")
    queued.wait_for_jobs()


def test_an_executor_that_has_ended_is_not_run_again_beside_the_next(
    queued: QueueHarness,
) -> None:
    queued.cluster.finish(queued.run_admitted(), report=make_report(0))
    queued.result()
    queued.report_reason.until = "executors[1]: waiting in the queue science"
    with pytest.raises(CanceledError):
        queued.start("x1")

    queued.suspend("x0")

    queued.wait_for_jobs("x1")


def test_a_successor_does_not_wait_for_an_executor_that_had_started(
    queued: QueueHarness,
) -> None:
    queued.run_admitted()
    queued.runtime.close()
    queued.cluster.preempt(queued.job())
    queued.succeed()

    with pytest.raises(StepFailedError) as failure:
        queued.runtime.start(queued.plan, "x0", queued.report_reason, has_started=True)

    assert (str(failure.value), failure.value.lost) == (TAKEN_BACK, True)
    assert queued.api.all(PODS) == []
