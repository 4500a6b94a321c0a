"""Who hears of what happened."""

from typing import Protocol

from tesk_scheduler.domain.occurrences import Occurrence


class Observer(Protocol):
    """Hears of what happened once it is durable; thread-safe, quick, never raises."""

    def happened(self, occurrence: Occurrence) -> None:
        """Hear of what happened to a task or a taskmaster."""

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """Hear of a transaction of the store, which several units of work share."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Hear of a call: ``TaskService/ListTasks``, ``OK``, how long it took."""


class NoObserver:
    """Hears nothing."""

    def happened(self, occurrence: Occurrence) -> None:
        """See ``Observer``."""

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """See ``Observer``."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """See ``Observer``."""
