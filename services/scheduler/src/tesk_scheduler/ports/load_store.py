"""Defines what the load of the last hours is read from."""

from collections.abc import Sequence
from typing import Protocol

from tesk_scheduler.domain.load import FailedTask, Interval, IntervalCounts


class LoadReads(Protocol):
    """Reads for the load; every method may raise UnavailableError.

    ``owner`` None means tasks of all owners.
    """

    def interval_counts(
        self, intervals: Sequence[Interval], *, owner: str | None
    ) -> list[IntervalCounts]:
        """Count what happened within each interval, by indices alone."""

    def last_failed(self, limit: int, *, owner: str | None) -> list[FailedTask]:
        """List failed tasks, ``limit`` of those that arrived last, newest end first."""
