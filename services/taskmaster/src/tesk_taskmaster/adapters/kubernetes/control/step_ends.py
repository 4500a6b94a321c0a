"""How the container of a step ended, from its status and the launcher's report.

The rules are those of every runtime: what the launcher reports is the result;
whoever was asked to end from outside, not by us, is lost; a lack of memory is
the user's result, never a reason to run again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_model.quantities import byte_words
from tesk_taskmaster.adapters.kubernetes.control.failure_table import short
from tesk_taskmaster.adapters.kubernetes.control.observations import (
    Ended,
    Failed,
    Seen,
    Subject,
)
from tesk_taskmaster.adapters.launcher_report import (
    WRONG_REPORT,
    Report,
    WrongReport,
    memory_note,
    memory_words,
    parse_report,
    parse_time,
)
from tesk_taskmaster.domain.verdicts import TransferVerdict, transfer_verdict
from tesk_taskmaster.ports import StepResult

_SIGKILL = 128 + 9
_SIGTERM = 128 + 15
_UNKNOWN = 255  # containerd's code for a container whose end it did not see
_OUT_OF_MEMORY = "OOMKilled"
_NOT_STARTED = {"StartError", "ContainerCannotRun"}
_JOB_DELETED = "its Job was deleted"
_UNSEEN = {"ContainerStatusUnknown", "Unknown"}

_DISRUPTIONS = {
    "PreemptionByScheduler": "its pod was preempted by one of higher priority",
    "DeletionByTaintManager": "its node became unavailable",
    "EvictionByEvictionAPI": "its pod was evicted, as when its node is drained",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node ended its pod",
}


def judge_end(seen: Seen, pod: JsonObject, state: Mapping[str, Any]) -> Ended | Failed:
    """Judge a terminated container ``main``.

    Args:
        seen: All that is known of the step.
        pod: Its pod.
        state: The ``terminated`` state of its container.

    Source:
        Kubernetes, "Pod Lifecycle" (container states, disruption conditions);
        the reason ``OOMKilled`` is not standardized and may be missing.
    """
    ram = seen.subject.ram
    if ram is None:
        return _filer_end(seen, pod, state)
    report = parse_report(state.get("message", "").encode())
    if isinstance(report, WrongReport) and _was_written(state):
        note = memory_words(ram) if _ran_out(state) else WRONG_REPORT
        return _ended(pod, state, note=_about(seen, note))
    if not isinstance(report, Report):
        return _unreported(seen, pod, state, ram=ram)
    if report.terminated and not seen.was_stopped:
        return lost(seen, outside_words(seen, pod), ran=True)
    flagged = _ran_out(state)
    return Ended(
        StepResult(
            exit_code=report.exit_code,
            started_at=report.started_at,
            ended_at=report.ended_at,
            note=_about(
                seen, memory_note(report, ram, flagged=flagged) or report.error
            ),
            metadata=pod_metadata(pod),
        )
    )


def judge_rejected(seen: Seen, pod: JsonObject) -> Ended | Failed:
    """Judge a pod that is over without an end of ``main``.

    Refused by its node (OutOfcpu, UnexpectedAdmissionError, NodeAffinity),
    evicted before it started, or another container of the template failed.
    """
    if seen.was_stopped:
        return Ended(StepResult(exit_code=_SIGTERM, metadata=pod_metadata(pod)))
    for status in pod["status"].get("initContainerStatuses") or ():
        ended = status.get("state", {}).get("terminated", {})
        if ended.get("exitCode", 0) and not was_disrupted(pod):
            return Failed(
                message=f"{seen.subject.name}: container {status['name']} of its pod "
                f"ended with exit code {ended['exitCode']}: "
                + short(ended.get("message") or ended.get("reason", "")),
                lost=False,
            )
    return lost(seen, outside_words(seen, pod))


def judge_vanished(seen: Seen) -> Ended | Failed:
    """Judge a step whose pod is gone and whose end nobody saw."""
    if seen.was_stopped:
        return Ended(StepResult(exit_code=_SIGKILL))
    if seen.pod is not None and was_disrupted(seen.pod):
        return lost(seen, outside_words(seen, seen.pod), ran=True)
    what = _JOB_DELETED if is_deleted(seen.job) else "its pod was deleted"
    return lost(seen, what, ran=True)


def judge_missing(subject: Subject) -> Failed:
    """Judge an executor that had started, and whose Job is gone unseen."""
    return lost(Seen(subject=subject, job=None), _JOB_DELETED, ran=True)


def lost(seen: Seen, what: str, *, ran: bool = False) -> Failed:
    """Say that a step is lost."""
    return Failed(message=f"{seen.subject.name} lost: {what}", lost=True, ran=ran)


def outside_words(seen: Seen, pod: JsonObject) -> str:
    """Say who ended a pod from outside, as far as it tells."""
    status = pod["status"]
    condition = _disruption(pod)
    said = short(status.get("message") or (condition or {}).get("message") or "")
    if condition is not None:
        words = _DISRUPTIONS.get(condition.get("reason", ""), "its pod was disrupted")
    elif status.get("reason"):
        words = f"its node refused or ended its pod ({status['reason']})"
    elif is_deleted(seen.job):
        words = _JOB_DELETED
    elif _is_leaving(pod):
        words = "its pod was deleted"
    else:
        words = "its container was stopped from outside"
    return f"{words}: {said}" if said else words


def was_disrupted(pod: JsonObject) -> bool:
    """Tell whether the cluster itself ended the pod."""
    return _disruption(pod) is not None or bool(pod["status"].get("reason"))


def is_deleted(job: JsonObject | None) -> bool:
    """Tell whether a Job is gone or going."""
    return job is None or "deletionTimestamp" in job["metadata"]


def pod_metadata(pod: JsonObject) -> dict[str, str]:
    """Return what a user may want to know of where a step runs."""
    found = {"pod": pod["metadata"]["name"]}
    if node := pod.get("spec", {}).get("nodeName"):
        found["node"] = node
    return found


def _unreported(
    seen: Seen, pod: JsonObject, state: Mapping[str, Any], *, ram: int
) -> Ended | Failed:
    """Judge a launcher that was killed before it could report, or never ran."""
    reason, code = state.get("reason", ""), int(state.get("exitCode", _UNKNOWN))
    if reason in _NOT_STARTED:
        return _not_started(seen, state)
    if not (seen.was_stopped or _ran_out(state)):
        if reason in _UNSEEN or code == _UNKNOWN:
            return lost(seen, "its node lost sight of its container", ran=True)
        if was_disrupted(pod) or _is_leaving(pod):
            return lost(seen, outside_words(seen, pod), ran=True)
    note = ""
    if _ran_out(state):
        note = memory_words(ram)
    elif code == _SIGKILL and not seen.was_stopped:
        # Nobody inside can kill the first process of a container.
        limit = byte_words(ram)
        note = f"was killed, probably because it ran out of memory: limit {limit}"
    return _ended(pod, state, note=_about(seen, note))


def _ran_out(state: Mapping[str, Any]) -> bool:
    return bool(state.get("reason") == _OUT_OF_MEMORY)


def _was_written(state: Mapping[str, Any]) -> bool:
    """Tell whether a message is none that the kubelet took from the log's end.

    It does so for a container that failed and left no message.
    """
    message = str(state.get("message", ""))
    return not state.get("exitCode") or message.lstrip().startswith("{")


def _filer_end(seen: Seen, pod: JsonObject, state: Mapping[str, Any]) -> Ended | Failed:
    """Judge a filer: its exit code is its verdict, whatever came after it."""
    code = int(state.get("exitCode", _UNKNOWN))
    has_verdict = transfer_verdict(code) is not TransferVerdict.CRASHED
    if has_verdict or seen.was_stopped:
        return _ended(pod, state)
    if was_disrupted(pod) or _is_leaving(pod):
        return lost(seen, outside_words(seen, pod), ran=True)
    if state.get("reason") in _NOT_STARTED:
        return _not_started(seen, state)
    return _ended(pod, state)


def _not_started(seen: Seen, state: Mapping[str, Any]) -> Failed:
    return Failed(
        message=f"{seen.subject.name}: the container of {seen.subject.image} cannot be "
        f"started: {short(state.get('message', ''))}",
        lost=False,
    )


def _ended(pod: JsonObject, state: Mapping[str, Any], *, note: str = "") -> Ended:
    return Ended(
        StepResult(
            exit_code=int(state.get("exitCode", _UNKNOWN)) & 0xFF,
            started_at=_time(state.get("startedAt")),
            ended_at=_time(state.get("finishedAt")),
            note=note,
            metadata=pod_metadata(pod),
        )
    )


def _about(seen: Seen, note: str) -> str:
    return f"{seen.subject.name}: {note}" if note else ""


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _is_leaving(pod: JsonObject) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _disruption(pod: JsonObject) -> JsonObject | None:
    for condition in pod["status"].get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            found: JsonObject = condition
            return found
    return None
