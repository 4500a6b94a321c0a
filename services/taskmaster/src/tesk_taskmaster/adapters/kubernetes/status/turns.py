"""Judges steps whose containers share a pod, each of which waits for its turn.

Pure; part of ``pods``. A step runs when its container does and those before it have
ended. Those after one that failed run nothing, and may never begin.
"""

from collections.abc import Iterator

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import container_state, is_init_container
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.ends import (
    OUT_OF_MEMORY,
    has_failed,
    report_of,
    unobserved_end,
)
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Snapshot,
    Waiting,
    failed,
)
from tesk_taskmaster.domain.step_names import INPUTS, direction_of, title_of
from tesk_taskmaster.domain.termination import Report, StepResult

_MORE_FOR_TASK = "ask for more ram_gb, or for the layout jobs"
_MORE_FOR_FILERS = "filers need more memory here (filer.resources)"
_TURNS = "turns: "  # of a launcher that could not take its turn; see its README


def judge_turn(snapshot: Snapshot, pod: JsonObject) -> Waiting | Ended | None:
    """Judge a step whose container runs: None if it is its turn.

    It is started here when those before it have ended. So if an executor before it has
    not, this is another pod than the one in which that ended: a queue of the cluster
    has taken that back, and makes the steps run again.
    """
    for name, ended in _before(snapshot, pod):
        if ended is None and direction_of(name):
            text = f"{snapshot.subject.name}: waiting for the step before it"
            return Waiting(Reason(ReasonCode.STEP_STARTING, text))
        if ended is None:
            return _again(snapshot, name)
        if lost := _judge_missed_turn(snapshot, pod, name, ended):
            return lost
    return None


def judge_repeated(snapshot: Snapshot, pod: JsonObject) -> Ended | None:
    """Judge a step whose container waits: None if none before it runs again.

    See ``judge_turn``.
    """
    for name, ended in _before(snapshot, pod):
        if ended is None and not direction_of(name):
            return _again(snapshot, name)
    return None


def _before(
    snapshot: Snapshot, pod: JsonObject
) -> Iterator[tuple[str, JsonObject | None]]:
    """Yield the containers before a step, as they ended; None: one that has not.

    After one that failed no other executor has its turn.
    """
    for name in snapshot.subject.earlier:
        if name in snapshot.passed:
            continue
        ended = container_state(pod, name).get("terminated")
        yield name, ended
        if ended and has_failed(ended) and name not in snapshot.subject.ignored:
            return


def _again(snapshot: Snapshot, name: str) -> Ended:
    return _lost(snapshot, f"a new pod runs {title_of(name)} again")


def _judge_missed_turn(
    snapshot: Snapshot, pod: JsonObject, name: str, ended: JsonObject
) -> Ended | None:
    """Judge a step that may wait for ever for one that ended; None if it will not.

    The launcher of a step says that it has begun; whoever waits for one that was killed
    before, or that could not say so, is never told of its end. Lack of memory does not
    end a launcher that early.
    """
    if is_init_container(pod, name) or ended.get("reason") == OUT_OF_MEMORY:
        return None
    report = report_of(ended)
    if report is None:
        text = f"{title_of(name)} was killed, after which its turn may never come"
        return _lost(snapshot, text)
    if isinstance(report, Report) and report.error.startswith(_TURNS):
        return _lost(snapshot, f"{title_of(name)}: {shorten(report.error)}")
    return None


def _lost(snapshot: Snapshot, cause: str) -> Ended:
    return unobserved_end(snapshot, Reason(ReasonCode.STEP_VANISHED, cause))


def judge_first_transfer(snapshot: Snapshot, pod: JsonObject) -> Ended | None:
    """Judge inputs whose filer runs on for the outputs; None: they have not ended.

    Here it is seen only when the step after them ends that has not been skipped. The
    scheduler tells of them sooner, see ``control.concluded``.
    """
    if snapshot.subject.step != INPUTS or not snapshot.subject.later:
        return None
    ended = container_state(pod, snapshot.subject.later[0]).get("terminated")
    report = report_of(ended) if ended else None
    has_passed = isinstance(report, Report) and not report.skipped
    return Ended(result=StepResult(exit_code=0)) if has_passed else None


def judge_blocked(snapshot: Snapshot, pod: JsonObject) -> Ended | None:
    """Judge a step behind an init container that ran out of memory; None if it is not.

    The kubelet starts none after such a one, even if it ended with 0, and leaves the
    pod as it is for ever. It says so likewise if only a child of its command was killed:
    that step may have succeeded.
    """
    for name in snapshot.subject.earlier:
        ended = container_state(pod, name).get("terminated") or {}
        if ended.get("reason") == OUT_OF_MEMORY and is_init_container(pod, name):
            return _blocked_by(name, snapshot.subject.name)
    return None


def _blocked_by(name: str, blocked: str) -> Ended:
    """Return the end of a step behind one that ran out of memory.

    The memory of filers is not the task's to say. It has to do with what they happen to
    move at once, so that another attempt may succeed, as after one that crashed.
    """
    is_filer = bool(direction_of(name))
    cure = _MORE_FOR_FILERS if is_filer else _MORE_FOR_TASK
    return failed(
        f"{blocked} was not started: a process of {title_of(name)} ran out of memory, "
        f"after which Kubernetes starts no container of its pod; {cure}",
        code=ReasonCode.TRANSFER_FAILED if is_filer else ReasonCode.OUT_OF_MEMORY,
        lost=is_filer,
    )
