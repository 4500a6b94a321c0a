"""Converts times to and from those of the database."""

from datetime import UTC, datetime, timedelta

from tesk_scheduler.domain.records import Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(time: datetime) -> Micros:
    """Convert an aware time."""
    return Micros((time - _EPOCH) // _MICROSECOND)


def micros_or_none(time: datetime | None) -> Micros | None:
    """Convert an aware time, if there is one."""
    return None if time is None else micros(time)


def from_micros(count: int) -> datetime:
    """Convert back, to UTC."""
    return _EPOCH + timedelta(microseconds=count)


def from_micros_or_none(count: int | None) -> datetime | None:
    """Convert back, if there is one."""
    return None if count is None else from_micros(count)
