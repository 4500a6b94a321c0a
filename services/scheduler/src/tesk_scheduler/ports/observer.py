"""Defines the observer of committed changes and calls."""

from typing import Protocol

from tesk_scheduler.domain.occurrences import Occurrence


class Observer(Protocol):
    """Is notified of what happened once it is durable; thread-safe, fast, never raises."""

    def happened(self, occurrence: Occurrence) -> None:
        """Observe what happened to a task or a taskmaster."""

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """Observe a transaction of the store, which several units of work share."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Observe a call: ``TaskService/ListTasks``, ``OK`` and its duration."""

    def round_ended(self, *, seconds: float, admitted: int) -> None:
        """Observe a round of admission."""


class NoObserver:
    """Ignores everything."""

    def happened(self, occurrence: Occurrence) -> None:
        """See ``Observer``."""

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """See ``Observer``."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """See ``Observer``."""

    def round_ended(self, *, seconds: float, admitted: int) -> None:
        """See ``Observer``."""
