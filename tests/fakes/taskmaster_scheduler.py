"""A scheduler in memory, as taskmasters see it."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from tesk_model.errors import TeskError
from tesk_model.events import EventPayload, EventVerdict, Released, TaskEvent
from tesk_model.names import Attempt
from tesk_taskmaster.domain.assignment import Assignment, Orders, Stop

LEASE = timedelta(seconds=60)


class FakeScheduler:
    """Keeps what is reported and hands out what a test puts in.

    As the real one it is level-triggered: what is assigned and not held is
    sent again.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.events: list[TaskEvent] = []
        self.batches: list[int] = []
        self.slots_seen: list[int] = []
        self.lease = LEASE
        self.leave = False
        self.on_event: Callable[[TaskEvent], None] = lambda _event: None
        self._assigned: dict[Attempt, Assignment] = {}
        self._stops: deque[Stop] = deque()
        self._finished: dict[str, list[Attempt]] = {"inputs": [], "outputs": []}
        self._refused: set[Attempt] = set()
        self._failures: deque[TeskError] = deque()
        self._silence: TeskError | None = None

    def assign(self, assignment: Assignment) -> None:
        with self.changed:
            self._assigned[assignment.attempt] = assignment
            self.changed.notify_all()

    def stop(self, order: Stop) -> None:
        with self.changed:
            self._stops.append(order)
            self.changed.notify_all()

    def conclude(self, attempt: Attempt, direction: str) -> None:
        """Tell that a transfer has succeeded."""
        with self.changed:
            self._finished[direction].append(attempt)
            self.changed.notify_all()

    def dismiss(self) -> None:
        with self.changed:
            self.leave = True
            self.changed.notify_all()

    def refuse(self, attempt: Attempt) -> None:
        with self.changed:
            self._refused.add(attempt)
            self._assigned.pop(attempt, None)

    def fail_next(self, *errors: TeskError) -> None:
        """Let the next reports fail."""
        with self.changed:
            self._failures.extend(errors)

    def fall_silent(self, error: TeskError) -> None:
        """Let every sync fail from now on, one that waits now included."""
        with self.changed:
            self._silence = error
            self.changed.notify_all()

    def payloads(self, attempt: Attempt) -> list[EventPayload]:
        with self.changed:
            return [event.payload for event in self.events if event.attempt == attempt]

    def wait_for(self, attempt: Attempt, kind: type) -> EventPayload:
        """Wait until an event of this kind has been applied; return the last."""

        def found() -> list[EventPayload]:
            return [
                event.payload
                for event in self.events
                if event.attempt == attempt and isinstance(event.payload, kind)
            ]

        with self.changed:
            assert self.changed.wait_for(found, 30), f"no {kind} of {attempt.name}"
            return found()[-1]

    def sync(
        self, held: Sequence[Attempt], *, slots: int, wait: timedelta, within: timedelta
    ) -> Orders:
        def news() -> object:
            fresh = set(self._assigned) - set(held)
            finished = any(self._finished.values())
            return self._silence or fresh or self._stops or finished or self.leave

        with self.changed:
            self.slots_seen.append(slots)
            self.changed.wait_for(news, min(wait, within).total_seconds())
            if self._silence:
                raise self._silence
            stops = tuple(self._stops)
            self._stops.clear()
            run = [entry for key, entry in self._assigned.items() if key not in held]
            inputs, outputs = map(tuple, self._finished.values())
            self._finished = {"inputs": [], "outputs": []}
            return Orders(
                run=tuple(run),
                stop=stops,
                lease=self.lease,
                exit=self.leave,
                inputs_finished=inputs,
                outputs_finished=outputs,
            )

    def report(self, events: Sequence[TaskEvent]) -> Sequence[EventVerdict]:
        for event in events:
            self.on_event(event)
        with self.changed:
            if self._failures:
                raise self._failures.popleft()
            self.batches.append(len(events))
            verdicts = [self._apply(event) for event in events]
            self.changed.notify_all()
            return verdicts

    def _apply(self, event: TaskEvent) -> EventVerdict:
        if event.attempt in self._refused:
            return EventVerdict.REFUSED
        known = [
            entry.sequence for entry in self.events if entry.attempt == event.attempt
        ]
        if event.sequence in known:
            return EventVerdict.DUPLICATE
        self.events.append(event)
        if isinstance(event.payload, Released):
            self._assigned.pop(event.attempt, None)
        return EventVerdict.APPLIED
