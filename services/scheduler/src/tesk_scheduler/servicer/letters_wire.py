"""Converts dead letters of webhooks to messages, and what operators choose of them."""

from tesk.v1 import admin_service_pb2 as pb
from tesk_model.errors import InvalidRequestError, Violation
from tesk_runtime.rpc.documents import timestamp_to_wire
from tesk_scheduler.domain.webhooks.deliveries import Delivery
from tesk_scheduler.ports.webhooks import Selection
from tesk_scheduler.usecases.admin.dead_letters import LettersPage

_MOST_NUMBERS = 200


def selection_from_wire(message: pb.DeadLetterFilter) -> Selection:
    """Convert a filter.

    Raises:
        InvalidRequestError: It has too many numbers.
    """
    if len(message.numbers) > _MOST_NUMBERS:
        problem = f"must be at most {_MOST_NUMBERS}, not {len(message.numbers)}"
        raise InvalidRequestError([Violation("filter.numbers", problem)])
    return Selection(seqs=tuple(message.numbers), target=message.target)


def chosen_from_wire(message: pb.DeadLetterFilter, *, everything: bool) -> Selection:
    """Convert a filter by which something is done.

    Raises:
        InvalidRequestError: It has no condition, and not all are meant; or too many.
    """
    selection = selection_from_wire(message)
    if selection == Selection() and not everything:
        problem = "has no condition; give one, or say that all dead letters are meant"
        raise InvalidRequestError([Violation("filter", problem)])
    return selection


def page_to_wire(page: LettersPage) -> pb.ListDeadLettersResponse:
    """Convert a page."""
    message = pb.ListDeadLettersResponse(
        letters=map(_letter_to_wire, page.letters.deliveries),
        next_cursor=page.letters.next_cursor,
        pending=page.backlog.pending,
    )
    if page.backlog.oldest is not None:
        message.oldest_pending.CopyFrom(timestamp_to_wire(page.backlog.oldest))
    return message


def _letter_to_wire(letter: Delivery) -> pb.DeadLetter:
    message = pb.DeadLetter(
        number=letter.seq,
        target=letter.recipient.target,
        server=letter.recipient.server,
        task_id=letter.task_id,
        event_id=letter.event_id,
        tries=letter.tries,
        error=letter.last_error,
        created=timestamp_to_wire(letter.created_at),
    )
    if letter.dead_at is not None:
        message.dead.CopyFrom(timestamp_to_wire(letter.dead_at))
    return message
