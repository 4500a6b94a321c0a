"""Follows a task to its end, through restarts of the server."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import Clock, TaskServer
from tesk_model.errors import UnavailableError


class WaitTimeoutError(Exception):
    """The task has not ended within the time given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Polls a task, often at first and then less often.

    Attributes:
        unavailable_timeout: How long a server may be unreachable before that is
            an error.
        min_pause: First pause between two polls.
        max_pause: Upper bound of the pause.
    """

    server: TaskServer
    clock: Clock
    unavailable_timeout: timedelta = timedelta(seconds=60)
    min_pause: timedelta = timedelta(seconds=0.05)
    max_pause: timedelta = timedelta(seconds=1)

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
        start = answered = self.clock.monotonic()
        pause = self.min_pause
        seen: Snapshot | None = None
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
            if task is not None and task != seen:
                seen, pause = task, self.min_pause
                yield task
                if task.state.is_final:
                    return
            if timeout is not None and self.clock.monotonic() - start >= timeout:
                msg = (
                    f"task {task_id} has not ended within {timeout.total_seconds():g} s"
                )
                raise WaitTimeoutError(msg)
            self.clock.sleep(pause)
            pause = min(self.max_pause, pause * 1.3)
