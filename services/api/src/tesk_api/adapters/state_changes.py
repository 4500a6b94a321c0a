"""Converts changes of states that the scheduler tells."""

from datetime import UTC

from tesk.v1 import task_service_pb2 as rpc
from tesk_api.domain.requests import ChangePage, StateChange
from tesk_runtime.rpc.wire import state_from_wire


def changes_from_wire(answer: rpc.ListStateChangesResponse) -> ChangePage:
    """Convert some changes."""
    return ChangePage(
        changes=[_from_wire(each) for each in answer.changes],
        next_cursor=answer.next_cursor,
        next_number=answer.next_number,
        has_more=answer.has_more,
        is_expired=answer.expired,
    )


def _from_wire(message: rpc.StateChange) -> StateChange:
    return StateChange(
        number=message.number,
        cursor=message.cursor,
        task_id=message.task_id,
        name=message.name,
        state=state_from_wire(message.state),
        attempt=message.attempt,
        reason_code=message.reason_code,
        time=message.time.ToDatetime(UTC),
        matched=message.matched,
    )
