"""Follows a task to its end, through restarts of the server."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta

from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import Clock, TaskServer
from tesk_model.errors import UnavailableError


class WaitTimeoutError(Exception):
    """The task has not ended within the time given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Polling:
    """When to stop polling, although the task goes on.

    Attributes:
        timeout: From ``start``; None: there is none.
        until_told: After which the server may tell again; None: it tells nobody.
    """

    timeout: timedelta | None
    start: timedelta
    until_told: timedelta | None

    def may_be_told(self, polled: timedelta) -> bool:
        return self.until_told is not None and polled > self.until_told

    def check_time(self, task_id: str, now: timedelta) -> None:
        if self.timeout is not None and now - self.start >= self.timeout:
            seconds = self.timeout.total_seconds()
            msg = f"task {task_id} has not ended within {seconds:g} s"
            raise WaitTimeoutError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Lets the server tell, or else polls a task, often at first and then less often.

    Attributes:
        unavailable_timeout: How long a server may be unreachable before that is
            an error.
        min_pause: First pause between two polls.
        max_pause: Upper bound of the pause.
        ask_for: For how long to poll before the server may tell again.
    """

    server: TaskServer
    clock: Clock
    unavailable_timeout: timedelta = timedelta(seconds=60)
    min_pause: timedelta = timedelta(seconds=0.05)
    max_pause: timedelta = timedelta(seconds=1)
    ask_for: timedelta = timedelta(seconds=10)

    def follow(
        self, task_id: str, timeout: timedelta | None = None
    ) -> Iterator[Snapshot]:
        """Yield the task each time it has changed; the last one is final.

        Raises:
            WaitTimeoutError: It has not ended within ``timeout``.
            TeskError: As ``TaskServer.watch_task``; ``UnavailableError`` at the
                first poll, later only once the server was unreachable for longer
                than ``unavailable_timeout``.
        """
        start = self.clock.monotonic()
        seen: Snapshot | None = None
        while seen is None or not seen.state.is_final:
            left = None
            if timeout is not None:
                left = max(timedelta(0), timeout - (self.clock.monotonic() - start))
            events = self.server.follow_task(task_id, left)
            if events is not None:
                seen = yield from self._told(events, seen)
            if seen is None or not seen.state.is_final:
                polling = _Polling(
                    timeout=timeout,
                    start=start,
                    until_told=None if events is None else self.ask_for,
                )
                seen = yield from self._asked(task_id, polling, seen)

    def _told(
        self, events: Iterator[Snapshot], seen: Snapshot | None
    ) -> Generator[Snapshot, None, Snapshot | None]:
        """Yield what the server tells; return the last of it."""
        try:
            for task in events:
                if task != seen:
                    seen = task
                    yield task
        except UnavailableError:
            return seen  # it restarts, perhaps, or the time is over: ask
        return seen

    def _asked(
        self, task_id: str, polling: "_Polling", seen: Snapshot | None
    ) -> Generator[Snapshot, None, Snapshot]:
        """Yield what polls show; return the last of it, after some time or at the end."""
        began = answered = self.clock.monotonic()
        pause = self.min_pause
        while True:
            try:
                task = self.server.watch_task(task_id)
            except UnavailableError:
                if (
                    seen is None
                    or self.clock.monotonic() - answered > self.unavailable_timeout
                ):
                    raise
                task = seen
            else:
                answered = self.clock.monotonic()
            if task != seen:
                seen, pause = task, self.min_pause
                yield task
            if task.state.is_final or polling.may_be_told(answered - began):
                return task
            polling.check_time(task_id, self.clock.monotonic())
            self.clock.sleep(pause)
            pause = min(self.max_pause, pause * 1.3)
