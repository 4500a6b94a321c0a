"""An observer that keeps what it hears."""

from dataclasses import dataclass, field
from typing import Any

from tesk_scheduler.adapters.event_log import title_of
from tesk_scheduler.domain.occurrences import Occurrence


@dataclass(slots=True)
class ListObserver:
    """See ``Observer``; lists are appended to by one thread after the other."""

    occurrences: list[Occurrence] = field(default_factory=list)
    writes: list[tuple[int, bool]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)

    def happened(self, occurrence: Occurrence) -> None:
        """Keep it."""
        self.occurrences.append(occurrence)

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """Keep it."""
        assert seconds >= 0
        self.writes.append((units, succeeded))

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Keep it."""
        assert seconds >= 0
        self.calls.append((method, code))

    def round_ended(self, *, seconds: float, admitted: int) -> None:
        """Keep it."""
        assert seconds >= 0
        self.rounds.append(admitted)

    def of_task(self, task_id: str) -> list[Any]:
        """Return what happened to a task, in order."""
        return [
            each
            for each in list(self.occurrences)
            if getattr(each, "task_id", "") == task_id
        ]

    def titles(self, task_id: str) -> list[str]:
        """Return the same by name."""
        kinds: list[Any] = [type(each) for each in self.of_task(task_id)]
        return [title_of(kind) for kind in kinds]
