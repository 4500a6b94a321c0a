"""Defines what the store tells about queued tasks to who asks why one waits."""

from typing import Protocol

from tesk_model.task import TaskId
from tesk_scheduler.domain.records import PassedOver, QueueHead, WaitingTasks


class WaitReads(Protocol):
    """Reads of queues; every method may raise UnavailableError."""

    def count_queued_before(self, owner: str, seq: int, *, limit: int) -> int:
        """Count an owner's queued tasks that come before ``seq``, up to ``limit``."""

    def queue_head(self, owner: str) -> QueueHead | None:
        """Read the first queued task of an owner that holds up others, if there is one.

        See ``domain.queue_places.HOLDING_UP_NOBODY``.
        """

    def passed_over(self, limit: int) -> list[PassedOver]:
        """List queued tasks that hold up no other, up to ``limit``."""

    def explained(self) -> list[TaskId]:
        """List the tasks that could be admitted and of which a reason is stored."""

    def waiting(self) -> list[WaitingTasks]:
        """Count what tasks wait for, by state and code; cheap with any number queued."""
