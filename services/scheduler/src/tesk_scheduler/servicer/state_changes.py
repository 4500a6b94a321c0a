"""Converts the feed of state changes, and the filters of lists, which it has, too."""

from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

from tesk.v1 import task_service_pb2 as pb
from tesk_runtime.rpc.wire import state_from_wire, state_to_wire
from tesk_scheduler.domain.state_changes import ChangePage, Position, StoredChange
from tesk_scheduler.servicer.wire import caller_from_wire
from tesk_scheduler.usecases.reading import Filters
from tesk_scheduler.usecases.state_changes import Subscription


def filters_from_wire(
    request: pb.ListTasksRequest | pb.StateChangeSubscription,
) -> Filters:
    """Convert the filters of a request."""
    return Filters(
        name_prefix=request.name_prefix,
        state=state_from_wire(request.state) if request.state else None,
        tags=tuple((tag.key, tag.value) for tag in request.tags),
    )


def subscription_from_wire(message: pb.StateChangeSubscription) -> Subscription:
    """Convert who follows what."""
    return Subscription(caller_from_wire(message.caller), filters_from_wire(message))


def page_to_wire(
    page: ChangePage, cursor: Callable[[Position], str]
) -> pb.ListStateChangesResponse:
    """Convert some changes; ``cursor`` makes the cursors of clients."""
    return pb.ListStateChangesResponse(
        changes=[_to_wire(each, cursor(each.position)) for each in page.changes],
        next_cursor=cursor(page.position),
        next_number=page.position.number,
        has_more=page.has_more,
        expired=page.is_expired,
    )


def _to_wire(change: StoredChange, cursor: str) -> pb.StateChange:
    seconds, rest = divmod(change.position.time, 1_000_000)
    return pb.StateChange(
        number=change.position.number,
        cursor=cursor,
        task_id=change.task_id,
        name=change.name or "",
        state=state_to_wire(change.state),
        attempt=change.attempt,
        reason_code=change.reason.value,
        time=Timestamp(seconds=seconds, nanos=rest * 1000),
        matched=change.matched,
    )
