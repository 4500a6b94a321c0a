"""Converts rows of the task table to records, and back."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Row

from tesk_model.attempt_parameters import (
    NO_PARAMETERS,
    AttemptParameters,
    parse_parameters,
)
from tesk_model.reasons import Reason, ReasonCode, reason_code
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.schema import (
    STATE_NUMBERS,
    STATES,
    TASK,
    clean,
    index_form,
)
from tesk_scheduler.adapters.store.times import (
    from_micros,
    from_micros_or_none,
    micros,
    micros_or_none,
)
from tesk_scheduler.adapters.store.waits import wait_of, wait_text
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.charging import subjects_of
from tesk_scheduler.domain.dimensions import ASKED
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import Demand, Subject
from tesk_scheduler.domain.records import NewTask, TaskRecord
from tesk_scheduler.domain.waits import WaitHistory

_C = TASK.c
DEMAND_COLUMNS = tuple(_C[each.column] for each in ASKED)
_asked_columns = attrgetter(*(each.column for each in ASKED))

# Texts that the previous release compares; it may still run beside this one.
_CODES_BEFORE = {
    "waiting for a taskmaster": ReasonCode.TASKMASTER_STARTING,
    "no taskmaster can be started": ReasonCode.TASKMASTER_REFUSED,
}

RECORD_COLUMNS = (
    _C.seq,
    _C.id,
    _C.owner,
    _C.charged_group,
    _C.owner_groups,
    _C.namespace,
    _C.gpu_type,
    *DEMAND_COLUMNS,
    _C.state,
    _C.attempt,
    _C.taskmaster,
    _C.released,
    _C.last_sequence,
    _C.reason,
    _C.reason_code,
    _C.wait,
    _C.created,
    _C.queued,
    _C.started,
    _C.ended,
    _C.inputs_finished,
    _C.outputs_finished,
    _C.takeovers,
    _C.assigned,
    _C.inputs_ended,
    _C.held_up_since,
    _C.priority,
    _C.attempt_parameters,
    _C.losses,
    _C.last_exit_code,
    _C.running_since,
    _C.not_before,
    _C.due,
    _C.stop_reason,
    _C.stop_reason_code,
)

QUEUE_COLUMNS = (
    _C.id,
    _C.seq,
    _C.owner,
    _C.charged_group,
    _C.owner_groups,
    _C.namespace,
    _C.gpu_type,
    *DEMAND_COLUMNS,
    _C.queued,
    _C.priority,
)


def record_of(row: Row[*tuple[Any, ...]]) -> TaskRecord:
    """Build a record from ``RECORD_COLUMNS``."""
    reason, history = reason_of(row.reason_code, row.reason, row.wait)
    return TaskRecord(
        seq=row.seq,
        id=TaskId(row.id),
        owner=row.owner,
        group=row.charged_group,
        groups=groups_of(row.owner_groups),
        namespace=row.namespace,
        gpu_type=row.gpu_type,
        demand=demand_of(row),
        state=STATES[row.state],
        attempt=row.attempt,
        taskmaster=row.taskmaster,
        released=row.released,
        last_sequence=row.last_sequence,
        reason=reason,
        history=history,
        created_at=from_micros(row.created),
        queued_at=from_micros(row.queued),
        started_at=from_micros_or_none(row.started),
        ended_at=from_micros_or_none(row.ended),
        inputs_finished=row.inputs_finished,
        outputs_finished=row.outputs_finished,
        takeovers=row.takeovers,
        assigned_at=from_micros_or_none(row.assigned),
        inputs_ended_at=from_micros_or_none(row.inputs_ended),
        held_up_since=from_micros_or_none(row.held_up_since),
        priority=row.priority,
        parameters=_parameters_of(row.attempt_parameters),
        losses=_losses_of(row.losses),
        last_exit_code=row.last_exit_code,
        running_since=from_micros_or_none(row.running_since),
        not_before=from_micros_or_none(row.not_before),
        due_at=from_micros_or_none(row.due),
        stop=Reason(reason_code(row.stop_reason_code), row.stop_reason),
    )


def queued_task_of(row: Sequence[Any]) -> QueuedTask:
    """Build a queued task from ``QUEUE_COLUMNS``."""
    task_id, seq, owner, group, groups, namespace, gpu_type, *rest = row
    *asked, queued, priority = rest
    return QueuedTask(
        id=TaskId(task_id),
        sequence=seq,
        owner=owner,
        subjects=_subjects_of(owner, group, namespace, gpu_type),
        demand=_asked_of(*asked),
        queued_at=from_micros(queued),
        priority=priority,
        groups=groups_of(groups),
    )


@lru_cache(maxsize=4096)  # many tasks have the same
def _subjects_of(
    owner: str, group: str | None, namespace: str, gpu_type: str
) -> tuple[Subject, ...]:
    return subjects_of(owner, group, namespace=namespace, gpu_type=gpu_type)


@lru_cache(maxsize=4096)
def _asked_of(*asked: float) -> Demand:
    columns = (each.column for each in ASKED)
    return Demand(**dict(zip(columns, asked, strict=True)))


def charged_of(row: Any) -> tuple[Subject, ...]:
    """Return everyone charged for a task, from columns by name; some may lack."""
    return subjects_of(
        row["owner"],
        row.get("charged_group"),
        namespace=row.get("namespace", ""),
        gpu_type=row.get("gpu_type", ""),
    )


def demand_of(row: Row[*tuple[Any, ...]]) -> Demand:
    """Build what a task is charged from ``DEMAND_COLUMNS``."""
    return _asked_of(*_asked_columns(row))


def changing_values(record: TaskRecord) -> dict[str, Any]:
    """Return the columns that can change, under the names of ``SAVE``."""
    return {
        "new_state": STATE_NUMBERS[record.state],
        "new_attempt": record.attempt,
        "new_taskmaster": record.taskmaster,
        "new_released": record.released,
        "new_last_sequence": record.last_sequence,
        **reason_values(record.reason, record.history),
        "new_queued": micros(record.queued_at),
        "new_started": micros_or_none(record.started_at),
        "new_ended": micros_or_none(record.ended_at),
        "new_inputs_finished": record.inputs_finished,
        "new_outputs_finished": record.outputs_finished,
        "new_takeovers": record.takeovers,
        "new_assigned": micros_or_none(record.assigned_at),
        "new_inputs_ended": micros_or_none(record.inputs_ended_at),
        "new_held_up_since": micros_or_none(record.held_up_since),
        "new_priority": record.priority,
        "new_losses": _json({code.value: n for code, n in record.losses.items()}),
        "new_last_exit_code": record.last_exit_code,
        "new_running_since": micros_or_none(record.running_since),
        "new_not_before": micros_or_none(record.not_before),
        "new_due": micros_or_none(record.due_at),
        "new_stop_reason": record.stop.text,
        "new_stop_reason_code": record.stop.code.value,
    }


def demand_values(record: TaskRecord) -> dict[str, Any]:
    """Return the columns of what a task is charged, under the names of ``SET_DEMAND``."""
    return {f"new_{each.column}": record.demand[each] for each in ASKED}


def reason_values(reason: Reason, history: WaitHistory) -> dict[str, str | None]:
    """Return the columns of a reason, under the names of ``SAVE``."""
    text = bounds.truncated(clean(reason.text), bounds.REASON_BYTES)
    return {
        "new_reason": text,
        "new_reason_code": reason.code.value,
        "new_wait": wait_text(reason, text, history),
    }


def reason_of(code: str, text: str, wait: str | None) -> tuple[Reason, WaitHistory]:
    """Build a reason from its columns; earlier releases wrote no code."""
    details, history = wait_of(wait, code, text)
    return Reason(reason_code(code or _code_before(text)), text, details), history


def _code_before(text: str) -> str:
    """Return the code of a text that an earlier release wrote without one."""
    if not text:
        return ""
    begins = (begin for begin in _CODES_BEFORE if text.startswith(begin))
    return _CODES_BEFORE.get(next(begins, ""), "")


def new_values(task: NewTask, state: int) -> Mapping[str, Any]:
    """Return the columns of a new task."""
    created = micros(task.created_at)
    return {
        "id": task.id,
        "owner": task.owner,
        "charged_group": task.group,
        "owner_groups": _groups_text(task.groups),
        "namespace": task.namespace,
        "gpu_type": task.gpu_type,
        "state": state,
        "priority": task.priority,
        "name": None if task.name is None else clean(task.name),
        "name_key": None if task.name is None else index_form(task.name),
        **{each.column: task.demand[each] for each in ASKED},
        "attempt": 0,
        "taskmaster": None,
        "released": True,
        "last_sequence": 0,
        "reason": "",
        "inputs_finished": False,
        "outputs_finished": False,
        "idempotency_key": task.idempotency_key or None,
        "created": created,
        "queued": created,
        "started": None,
        "ended": None,
        "attempt_parameters": _json(task.parameters),
        "due": micros_or_none(task.due_at),
    }


def _json(entries: Mapping[str, Any]) -> str:
    return json.dumps(dict(entries)) if entries else ""


def _parameters_of(text: str) -> AttemptParameters:
    """Read parameters; those that a later release has more values of are left out."""
    try:
        return parse_parameters(json.loads(text)) if text else NO_PARAMETERS
    except ValueError:
        return NO_PARAMETERS


def _losses_of(text: str) -> Mapping[ReasonCode, int]:
    """Return losses by cause; those of causes of a later release are unknown ones."""
    found: dict[ReasonCode, int] = {}
    for code, count in json.loads(text).items() if text else ():
        known = reason_code(code)
        found[known] = found.get(known, 0) + count
    return found


def _groups_text(groups: tuple[str, ...]) -> str:
    return json.dumps([clean(each) for each in groups]) if groups else ""


@lru_cache(maxsize=1024)  # all tasks of an owner have the same
def groups_of(text: str) -> tuple[str, ...]:
    """Return the groups of an owner, from their column."""
    return tuple(json.loads(text)) if text else ()
