"""Converts rows of the task table to records, and back."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

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
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.admission import QueuedTask
from tesk_scheduler.domain.dimensions import ASKED
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import NewTask, TaskRecord, subjects_of

_C = TASK.c
DEMAND_COLUMNS = tuple(_C[each.column] for each in ASKED)

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
    *DEMAND_COLUMNS,
    _C.state,
    _C.attempt,
    _C.taskmaster,
    _C.released,
    _C.last_sequence,
    _C.reason,
    _C.reason_code,
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
)

QUEUE_COLUMNS = (
    _C.id,
    _C.seq,
    _C.owner,
    _C.charged_group,
    *DEMAND_COLUMNS,
    _C.queued,
)


def record_of(row: Row[*tuple[Any, ...]]) -> TaskRecord:
    """Build a record from ``RECORD_COLUMNS``."""
    return TaskRecord(
        seq=row.seq,
        id=TaskId(row.id),
        owner=row.owner,
        group=row.charged_group,
        groups=_groups_of(row.owner_groups),
        demand=demand_of(row),
        state=STATES[row.state],
        attempt=row.attempt,
        taskmaster=row.taskmaster,
        released=row.released,
        last_sequence=row.last_sequence,
        reason=reason_of(row.reason_code, row.reason),
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
    )


def queued_task_of(row: Row[*tuple[Any, ...]]) -> QueuedTask:
    """Build a queued task from ``QUEUE_COLUMNS``."""
    return QueuedTask(
        id=TaskId(row.id),
        sequence=row.seq,
        owner=row.owner,
        subjects=subjects_of(row.owner, row.charged_group),
        demand=demand_of(row),
        queued_at=from_micros(row.queued),
    )


def demand_of(row: Row[*tuple[Any, ...]]) -> Demand:
    """Build what a task is charged from ``DEMAND_COLUMNS``."""
    return Demand(**{each.column: getattr(row, each.column) for each in ASKED})


def changing_values(record: TaskRecord) -> dict[str, Any]:
    """Return the columns that can change, under the names of ``SAVE``."""
    return {
        "new_state": STATE_NUMBERS[record.state],
        "new_attempt": record.attempt,
        "new_taskmaster": record.taskmaster,
        "new_released": record.released,
        "new_last_sequence": record.last_sequence,
        **reason_values(record.reason),
        "new_queued": micros(record.queued_at),
        "new_started": micros_or_none(record.started_at),
        "new_ended": micros_or_none(record.ended_at),
        "new_inputs_finished": record.inputs_finished,
        "new_outputs_finished": record.outputs_finished,
        "new_takeovers": record.takeovers,
        "new_assigned": micros_or_none(record.assigned_at),
        "new_inputs_ended": micros_or_none(record.inputs_ended_at),
        "new_held_up_since": micros_or_none(record.held_up_since),
    }


def reason_values(reason: Reason) -> dict[str, str]:
    """Return the columns of a reason, under the names of ``SAVE``."""
    text = bounds.truncated(clean(reason.text), bounds.REASON_BYTES)
    return {"new_reason": text, "new_reason_code": reason.code.value}


def reason_of(code: str, text: str) -> Reason:
    """Build a reason from its columns; earlier releases wrote no code."""
    return Reason(reason_code(code or _code_before(text)), text)


def _code_before(text: str) -> str:
    """Return the code of a text that an earlier release wrote without one."""
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
        "state": state,
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
    }


def _groups_text(groups: tuple[str, ...]) -> str:
    return json.dumps([clean(each) for each in groups]) if groups else ""


def _groups_of(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()
