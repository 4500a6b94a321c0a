"""Results of ended steps of a cluster: exit code, times, location and notice."""

from datetime import UTC, datetime

import pytest

from fakes.taskmaster_reports import make_report
from taskmasters.pods import (
    FILER,
    GONE,
    RAM,
    ends,
    happened,
    job_condition,
    leaving,
    says,
    seen,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Running,
    Snapshot,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe
from tesk_taskmaster.domain.termination import INVALID_REPORT

OUT = "executors[1]: ran out of memory: limit 64 MiB"
EXIT_65 = (
    "Container main for pod tasks/x failed with exit code 65 matching FailJob rule at "
    "index 1"
)
COMPLETE = job_condition("Complete", "")
# What has a result. Input, exit code, note.
ENDED: dict[str, tuple[Snapshot, int, str]] = {
    "success": (seen("ended", says(make_report(0))), 0, ""),
    "the program's own code": (seen("ended-with-3"), 3, ""),
    "the launcher's report": (seen("ended-with-3", says(make_report(4))), 4, ""),
    "a report that the program wrote": (
        seen("ended-with-3", says('{"exit_code": Infinity}')),
        3,
        f"executors[1]: {INVALID_REPORT}",
    ),
    "the end of a log that looks like no report": (
        seen("ended-with-3", says("Infinity")),
        3,
        "",
    ),
    "the launcher's complaint": (
        seen("ended-with-3", says(make_report(127, error="NAME: not found"))),
        127,
        "executors[1]: NAME: not found",
    ),
    "no memory left, the launcher killed too": (seen("out-of-memory"), 137, OUT),
    "no memory left for the program": (
        seen("out-of-memory", says(make_report(137, signal=9))),
        137,
        OUT,
    ),
    "no memory left, by the size alone": (
        seen("runs", ends(), says(make_report(137, signal=9, max_rss_bytes=RAM))),
        137,
        OUT,
    ),
    "no memory left for a part, which the program survived": (
        seen("out-of-memory", says(make_report(0))),
        0,
        "",
    ),
    "killed by itself": (
        seen("runs", ends(), says(make_report(137, signal=9))),
        137,
        "",
    ),
    "evicted just after its end": (seen("evicted", says(make_report(0))), 0, ""),
    "stopped by us": (
        seen(
            "deleted",
            says(make_report(143, signal=15, terminated=True)),
            was_stopped=True,
        ),
        143,
        "",
    ),
    "stopped by us, killed in the end": (seen("deleted", was_stopped=True), 137, ""),
    "stopped by us, its pod gone": (
        seen("runs", pod_is_gone=True, was_stopped=True),
        137,
        "",
    ),
    "stopped by us before it had a pod": (
        seen("runs", pod=None, was_stopped=True, **GONE),
        143,
        "",
    ),
    "a filer whose pod is gone, by what its Job says": (
        seen(
            "runs",
            subject=FILER,
            pod=None,
            has_no_pod=True,
            job=job_condition("Failed", EXIT_65),
        ),
        65,
        "",
    ),
    "a filer whose pod is gone, by a Job that is complete": (
        seen("runs", subject=FILER, pod_is_gone=True, job=COMPLETE),
        0,
        "",
    ),
    "its own end at the moment when its pod was deleted": (
        seen("ended", leaving, says(make_report(0)), pod_is_gone=True, job=COMPLETE),
        0,
        "",
    ),
    "a filer's verdict": (seen("ended", ends(exitCode=65), subject=FILER), 65, ""),
    "a filer's verdict, evicted thereafter": (
        seen("evicted", ends(exitCode=75), subject=FILER),
        75,
        "",
    ),
    "a filer that had too little memory": (
        seen("out-of-memory", subject=FILER),
        137,
        "",
    ),
}


@pytest.mark.parametrize(("what", "code", "notice"), ENDED.values(), ids=ENDED)
def test_an_ended_step_has_a_result(what: Snapshot, code: int, notice: str) -> None:
    judged = observe(what)

    assert isinstance(judged, Ended), judged
    assert (judged.result.exit_code, judged.result.notice) == (code, notice)
    assert not judged.result.error


def test_times_and_places_come_with_the_result() -> None:
    judged = observe(seen("ended-with-3"))

    assert isinstance(judged, Ended)
    assert judged.result.started_at == datetime(2026, 11, 22, 19, 18, 47, tzinfo=UTC)
    assert judged.result.metadata == {"pod": "fails-h5crh", "node": "node-1"}


def test_a_running_container_is_running_whatever_happened_before() -> None:
    assert isinstance(observe(seen("runs", events=[happened("FailedMount")])), Running)
