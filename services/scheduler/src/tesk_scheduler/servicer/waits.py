"""Converts what a task waits for to its message."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tesk.v1 import task_pb2 as pb
from tesk_model.reasons import Reason
from tesk_model.remedies import remedy_of
from tesk_model.states import TaskState
from tesk_model.task import Wait, WaitHead, WaitNodes, WaitTime
from tesk_model.waits import WaitDetails, WaitScope
from tesk_runtime.rpc.documents import writer
from tesk_scheduler.domain.records import (
    Micros,
    QueueHead,
    QueuePlace,
    StoredTask,
)
from tesk_scheduler.domain.waits import Spent

_to_wire = writer(Wait, pb.Wait)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wait_to_wire(task: StoredTask) -> pb.Wait | None:
    """Build the message; None if the task does not wait."""
    if task.state.is_final or not task.reason.text:
        return None
    return _to_wire(_wait(task))


def wait_of(reason: Reason, place: QueuePlace | None) -> Wait:
    """Return what a reason and a place in the queue say, without times."""
    details = reason.details or WaitDetails(scope=WaitScope.NONE)
    return Wait(
        remedy=remedy_of(reason) or None,
        scope=details.scope.value or None,
        subject=details.subject or None,
        dimension=details.dimension or None,
        used=details.used,
        limit=details.limit,
        needed=details.needed,
        nodes=tuple(
            WaitNodes(cause=each.cause, nodes=each.nodes) for each in details.nodes
        ),
        position=place.before + 1 if place else None,
        position_is_least=True if place and place.is_least else None,
        place=place.estimate if place else None,
        head=_head(place.head) if place and place.head else None,
        spent=tuple(map(_spent, place.spent)) if place else (),
    )


def _wait(task: StoredTask) -> Wait:
    is_queued = task.state is TaskState.QUEUED
    queued = _time(task.queued)
    return replace(
        wait_of(task.reason, task.place),
        since=task.history.since or (queued if is_queued else None),
        queued_since=queued if is_queued else None,
    )


def _head(head: QueueHead) -> WaitHead:
    return WaitHead(
        id=head.id,
        reason=head.reason.text,
        reason_code=head.reason.code,
        since=head.since,
    )


def _spent(spent: Spent) -> WaitTime:
    return WaitTime(
        reason_code=spent.code,
        seconds=round(spent.time.total_seconds(), 3),
        reason=spent.text,
    )


def _time(micros: Micros) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
