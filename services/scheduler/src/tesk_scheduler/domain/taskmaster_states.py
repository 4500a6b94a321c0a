"""Names the states of taskmasters for operators; pure."""

from datetime import datetime
from enum import StrEnum

from tesk_scheduler.domain.fleet import Taskmaster


class TaskmasterState(StrEnum):
    """What a taskmaster does."""

    STARTING = "STARTING"
    SERVING = "SERVING"
    ABSENT = "ABSENT"
    """Its lease is over, or it is known that it does not run."""
    DRAINING = "DRAINING"
    """An operator drains it: it finishes what it has."""
    OUTDATED = "OUTDATED"
    """It is of another revision, and finishes what it has."""
    UNKNOWN = "UNKNOWN"
    """It runs, and the store has no such taskmaster."""


def state_of_taskmaster(
    member: Taskmaster, *, is_alive: bool | None, revision: str, now: datetime
) -> TaskmasterState:
    """Return the state of a taskmaster of the store.

    Args:
        member: As stored.
        is_alive: The launcher lists it; None if that is not known.
        revision: Of what new ones are started from.
        now: The time.
    """
    if member.seen and (is_alive is False or member.lease_until <= now):
        return TaskmasterState.ABSENT
    if member.draining:
        return TaskmasterState.DRAINING
    if not member.seen:
        return TaskmasterState.STARTING
    if member.revision != revision:
        return TaskmasterState.OUTDATED
    return TaskmasterState.SERVING
