"""Observes the end of a step in its objects, for ``domain.termination`` to judge."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import (
    condition,
    container_state,
    image_digest,
    is_init_container,
    is_terminating,
    is_true,
    node_of,
)
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Snapshot,
    failed,
)
from tesk_taskmaster.adapters.kubernetes.status.queues import is_suspended, suspension
from tesk_taskmaster.adapters.launcher_options import (
    LAUNCHER_TARGET,
    REFERENCE_CHECK,
)
from tesk_taskmaster.adapters.launcher_report import parse_report, parse_time
from tesk_taskmaster.domain.step_names import INPUTS, OUTPUTS, direction_of, title_of
from tesk_taskmaster.domain.termination import (
    InvalidReport,
    Report,
    StepResult,
    Termination,
    judge,
)

OUT_OF_MEMORY = "OOMKilled"
"""Why a container was terminated, as the kubelet says."""

_NOT_STARTED = {"StartError", "ContainerCannotRun"}
JOB_DELETED = Reason(ReasonCode.STEP_VANISHED, "its Job was deleted")
_UNKNOWN_CODE = 255
_UNSEEN = {"ContainerStatusUnknown", "Unknown"}

_DISRUPTIONS = {
    "PreemptionByScheduler": Reason(
        ReasonCode.PREEMPTED, "its pod was preempted by one of higher priority"
    ),
    "DeletionByTaintManager": Reason(
        ReasonCode.NODE_LOST, "its node became unavailable"
    ),
    "EvictionByEvictionAPI": Reason(
        ReasonCode.EVICTED, "its pod was evicted, as when its node is drained"
    ),
    "DeletionByPodGC": Reason(ReasonCode.NODE_LOST, "its node is gone"),
    "TerminationByKubelet": Reason(ReasonCode.EVICTED, "its node ended its pod"),
}
_DISRUPTED = Reason(ReasonCode.EVICTED, "its pod was disrupted")
_POD_DELETED = Reason(ReasonCode.STEP_VANISHED, "its pod was deleted")


def judge_end(snapshot: Snapshot, pod: JsonObject, state: Mapping[str, Any]) -> Ended:
    """Judge the terminated container of a step.

    Args:
        snapshot: Of the step.
        pod: Its pod.
        state: The ``terminated`` state of its container.

    Source:
        Kubernetes, "Pod Lifecycle" (container states, disruption conditions);
        the reason ``OOMKilled`` is not standardized and may be missing.
    """
    reason = state.get("reason", "")
    interruption = interruption_of(snapshot, pod)
    if reason in _NOT_STARTED and not (interruption or snapshot.was_stopped):
        message = state.get("message", "")
        return failed(
            f"{snapshot.subject.name}: the container of {snapshot.subject.image} "
            f"cannot be started: {shorten(message)}",
            code=ReasonCode.CONTAINER_START_FAILED,
            # TESK's own program, which other nodes can start: no fault of the task.
            lost=f'exec: "{LAUNCHER_TARGET}"' in message,
        )
    report = report_of(state)
    if isinstance(report, Report) and _was_first(snapshot.subject.step, report):
        return Ended(result=StepResult(exit_code=0))
    if isinstance(report, Report) and report.skipped:
        killed = _killed_inputs(snapshot, pod)
        if killed is not None:
            return unobserved_end(snapshot, killed, pod=pod, has_run=False)
    exit_code = None if reason in _UNSEEN else state.get("exitCode")
    if isinstance(report, InvalidReport) and _hides_its_code(snapshot, pod):
        exit_code = exit_code or _UNKNOWN_CODE
    return _judged(
        Termination(
            name=snapshot.subject.name,
            ram=snapshot.subject.ram,
            report=report,
            exit_code=exit_code,
            started_at=_time(state.get("startedAt")),
            ended_at=_time(state.get("finishedAt")),
            was_stopped=snapshot.was_stopped,
            is_out_of_memory=reason == OUT_OF_MEMORY,
            interruption=interruption,
            metadata=pod_metadata(pod),
            image_digest=image_digest(pod, snapshot.subject.container),
        )
    )


def _was_first(step: str, report: Report) -> bool:
    """Tell whether a container that ended had done this step, and begun another."""
    return bool(step and report.turn) and (step, report.turn) == (INPUTS, OUTPUTS)


def _killed_inputs(snapshot: Snapshot, pod: JsonObject) -> Reason | None:
    """Return why a step is skipped that was to run; None: that is not known.

    The filer of inputs was killed after it had told of its success: what comes next
    in the taskmaster has begun, but not in the pod.
    """
    for name in filter(None, (*snapshot.subject.earlier, snapshot.subject.filer)):
        ended = container_state(pod, name).get("terminated")
        if not direction_of(name) or not ended:
            continue
        report = report_of(ended)
        if isinstance(report, Report) and report.turn == OUTPUTS:
            continue
        if has_failed(ended):
            cause = f"{title_of(INPUTS)} was killed at its end"
            return Reason(ReasonCode.STEP_VANISHED, cause)
    return None


def _hides_its_code(snapshot: Snapshot, pod: JsonObject) -> bool:
    """Tell whether the container ends with 0 whatever its command ends with.

    As one of several in sequence does, so that the next can run: then only the
    launcher's report has the code.
    """
    return bool(snapshot.subject.others) and is_init_container(
        pod, snapshot.subject.container
    )


def judge_rejected(snapshot: Snapshot, pod: JsonObject) -> Ended:
    """Judge a pod that is over without an end of the step's container.

    Refused by its node (OutOfcpu, UnexpectedAdmissionError, NodeAffinity),
    evicted before it started, or another container failed: one of the template, or
    the check of references.
    """
    if killed := _killed_inputs(snapshot, pod):
        cause = interruption_of(snapshot, pod) or killed
        return unobserved_end(snapshot, cause, pod=pod, has_run=False)
    for status in pod["status"].get("initContainerStatuses") or ():
        ended = status.get("state", {}).get("terminated", {})
        has_failed = ended.get("exitCode", 0) and not was_disrupted(pod)
        if has_failed and not snapshot.was_stopped:
            report = report_of(ended) if status["name"] == REFERENCE_CHECK else None
            if isinstance(report, Report) and report.error:
                code = ReasonCode.TRANSFER_FAILED
                return failed(report.error, code=code, lost=False)
            return failed(
                f"{snapshot.subject.name}: container {status['name']} of its pod "
                f"ended with exit code {ended['exitCode']}: "
                + shorten(ended.get("message") or ended.get("reason", "")),
                code=ReasonCode.CONTAINER_START_FAILED,
                lost=False,
            )
    return unobserved_end(
        snapshot, interruption_of(snapshot, pod), pod=pod, has_run=False
    )


def judge_vanished(snapshot: Snapshot, *, exit_code: int | None) -> Ended:
    """Judge a step whose pod was deleted and whose end was not observed.

    Args:
        snapshot: Of the step.
        exit_code: From its Job, if that is reliable.
    """
    cause = _deletion(snapshot.job)
    if snapshot.pod is not None and was_disrupted(snapshot.pod):
        cause = interruption_of(snapshot, snapshot.pod) or cause
    return unobserved_end(snapshot, cause, exit_code=exit_code)


def unobserved_end(
    snapshot: Snapshot,
    interruption: Reason | None,
    *,
    pod: JsonObject | None = None,
    exit_code: int | None = None,
    has_run: bool = True,
) -> Ended:
    """Judge a step whose end was not observed, but perhaps its interruption."""
    return _judged(
        Termination(
            name=snapshot.subject.name,
            ram=snapshot.subject.ram,
            exit_code=exit_code,
            was_stopped=snapshot.was_stopped,
            has_run=has_run,
            interruption=interruption,
            metadata={} if pod is None else pod_metadata(pod),
        )
    )


def _judged(termination: Termination) -> Ended:
    report = termination.report
    return Ended(
        result=judge(termination),
        has_run=termination.has_run,
        logged=report.logged if isinstance(report, Report) else None,
    )


def interruption_of(snapshot: Snapshot, pod: JsonObject) -> Reason | None:
    """Return what ended a pod from outside; None if nothing did, as far as known."""
    status = pod["status"]
    disruption = condition(pod, "DisruptionTarget")
    message = shorten(status.get("message") or disruption.get("message") or "")
    if is_true(pod, "DisruptionTarget"):
        known = _DISRUPTIONS.get(disruption.get("reason", ""), _DISRUPTED)
    elif status.get("reason"):
        text = f"its node refused or ended its pod ({status['reason']})"
        known = Reason(ReasonCode.EVICTED, text)
    elif is_deleted(snapshot.job) or is_terminating(pod):
        known = _deletion(snapshot.job)
    else:
        return None
    return replace(known, text=f"{known.text}: {message}") if message else known


def _deletion(job: JsonObject | None) -> Reason:
    """Return why a pod was deleted."""
    if job is None or is_deleted(job):
        return JOB_DELETED
    return suspension(job) if is_suspended(job) else _POD_DELETED


def was_disrupted(pod: JsonObject) -> bool:
    """Tell whether the cluster itself ended the pod."""
    return is_true(pod, "DisruptionTarget") or bool(pod["status"].get("reason"))


def is_deleted(job: JsonObject | None) -> bool:
    """Tell whether a Job is deleted or terminating."""
    return job is None or is_terminating(job)


def pod_metadata(pod: JsonObject) -> dict[str, str]:
    """Return pod and node of a step, for the user."""
    found = {"pod": pod["metadata"]["name"]}
    if node := node_of(pod):
        found["node"] = node
    return found


def has_failed(ended: Mapping[str, Any]) -> bool:
    """Tell whether the command of a terminated container failed, as far as known."""
    report = report_of(ended)
    code = report.exit_code if isinstance(report, Report) else ended["exitCode"]
    return bool(code)


def report_of(state: Mapping[str, Any]) -> Report | InvalidReport | None:
    """Return the launcher's report, if it left a termination message.

    For a failed container without a message the kubelet uses the end of its log.
    """
    message = str(state.get("message", ""))
    report = parse_report(message.encode())
    was_left = not state.get("exitCode") or message.lstrip().startswith("{")
    return report if isinstance(report, Report) or was_left else None


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
