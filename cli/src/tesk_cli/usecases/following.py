"""Follow a task to its end, through restarts of the server."""

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
    """Looks at tasks again and again, often at first and then less often.

    Attributes:
        patience: How long a server may be unreachable before that is an error.
        shortest: First pause between two looks.
        longest: Upper bound of the pause.
    """

    server: TaskServer
    clock: Clock
    patience: timedelta = timedelta(seconds=60)
    shortest: timedelta = timedelta(seconds=0.05)
    longest: timedelta = timedelta(seconds=1)

    def follow(
        self, task_id: str, timeout: timedelta | None = None
    ) -> Iterator[Snapshot]:
        """Yield the task each time it has changed; the last one is final.

        Raises:
            WaitTimeoutError: It has not ended within ``timeout``.
            TeskError: As ``TaskServer.watch_task``; ``UnavailableError`` at the
                first look, later only once the server was away for longer
                than ``patience``.
        """
        start = heard = self.clock.monotonic()
        pause = self.shortest
        seen: Snapshot | None = None
        while True:
            try:
                task = self.server.watch_task(task_id)
            except UnavailableError:
                if seen is None or self.clock.monotonic() - heard > self.patience:
                    raise
                task = seen
            else:
                heard = self.clock.monotonic()
            if task is not None and task != seen:
                seen, pause = task, self.shortest
                yield task
                if task.state.is_final:
                    return
            if timeout is not None and self.clock.monotonic() - start >= timeout:
                msg = (
                    f"task {task_id} has not ended within {timeout.total_seconds():g} s"
                )
                raise WaitTimeoutError(msg)
            self.clock.sleep(pause)
            pause = min(self.longest, pause * 1.3)
