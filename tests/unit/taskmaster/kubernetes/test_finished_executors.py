"""What a successor finds out about an executor that its predecessor saw fail."""

from fakes.taskmaster_reports import make_report
from taskmasters.attempts import ClusterHarness
from taskmasters.one_pod import OnePod
from tesk_kubernetes.api import JOBS
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.usecases.finished_executors import cause_of_end


def cause(rig: ClusterHarness | OnePod) -> ReasonCode:
    """Return what the next taskmaster finds out of ``x0``."""
    rig.runtime.close()
    rig.runtime = rig.runtimes.open_runtime()
    rig.prepare()
    return cause_of_end(
        rig.plan, "x0", runtime=rig.runtime, report_reason=rig.report_reason
    )


def fail(harness: ClusterHarness) -> None:
    harness.prepare()
    harness.cluster.finish(
        harness.run(), 137, report=make_report(137), reason="OOMKilled"
    )


def test_a_lack_of_memory_is_found(harness: ClusterHarness) -> None:
    fail(harness)

    assert cause(harness) is ReasonCode.OUT_OF_MEMORY


def test_a_lack_of_memory_is_found_in_one_pod(rig: OnePod) -> None:
    rig.begin()
    rig.end("in")
    rig.start("x0")
    rig.end("x0", 137, reason="OOMKilled")

    assert cause(rig) is ReasonCode.OUT_OF_MEMORY


def test_nothing_is_found_without_the_pod(harness: ClusterHarness) -> None:
    fail(harness)
    harness.cluster.remove(harness.pod())

    assert cause(harness) is ReasonCode.NONE


def test_nothing_is_found_without_the_job(harness: ClusterHarness) -> None:
    fail(harness)
    (job,) = harness.api.all(JOBS)
    harness.api.delete(JOBS, "tasks", job["metadata"]["name"])

    assert cause(harness) is ReasonCode.NONE
    assert harness.api.all(JOBS) == []  # and it does not run again
