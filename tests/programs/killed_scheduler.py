"""A real scheduler that kills itself at one of its writes or external actions.

``python -m programs.killed_scheduler JOURNAL [POINT]``: each point that is reached
is a line of the file JOURNAL; at POINT the process gets SIGKILL. A point is a
place and who acts there: ``written Submission.submit`` lies within a transaction,
after its last statement and before its commit; ``committed …`` after the commit and
before anybody heard of it; ``launching``, ``launched``, ``killing`` and ``killed``
lie before and after what the launcher does.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tesk_runtime import logs
from tesk_runtime.sections import read_token
from tesk_runtime.settings import load
from tesk_runtime.shutdown import stop_on_signals
from tesk_scheduler.config import Settings
from tesk_scheduler.main import serve
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.wiring import open_dependencies

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failpoints:
    """Where to note points, and at which to die."""

    journal: int
    deadly: str

    def reach(self, place: str, action: str) -> None:
        """Note the point; end the process if it is the one."""
        point = f"{place} {action}"
        os.write(self.journal, f"{point}\n".encode())
        if point == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class _Delegate:
    """Passes on what it does not define itself."""

    def __init__(self, inner: Any, points: Failpoints) -> None:
        self._inner = inner
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class FailingStore(_Delegate):
    """A store with points before and after each commit."""

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work."""
        return self._reaching(self._inner.write, work)

    def write_lead(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work."""
        return self._reaching(self._inner.write_lead, work)

    def _reaching(
        self, write: Callable[..., Any], work: Callable[[Transaction], T]
    ) -> T:
        action = work.__qualname__.partition(".<locals>")[0]

        def unit(tx: Transaction) -> T:
            result = work(tx)
            self._points.reach("written", action)
            return result

        result: T = write(unit)
        self._points.reach("committed", action)
        return result


class FailingLauncher(_Delegate):
    """A launcher with points before and after each action."""

    def launch(self, taskmaster_id: str) -> None:
        """Start one."""
        self._points.reach("launching", "a taskmaster")
        self._inner.launch(taskmaster_id)
        self._points.reach("launched", "a taskmaster")

    def kill(self, taskmaster_id: str) -> None:
        """End one."""
        self._points.reach("killing", "a taskmaster")
        self._inner.kill(taskmaster_id)
        self._points.reach("killed", "a taskmaster")


def main() -> None:
    """Run until SIGTERM, or until the deadly point."""
    journal, *deadly = sys.argv[1:]
    points = Failpoints(
        journal=os.open(Path(journal), os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        deadly=" ".join(deadly),
    )
    settings = load(Settings, os.environ)
    logs.configure("scheduler", settings.log)
    token = read_token(settings.grpc.token_file)
    stop = stop_on_signals()
    with ExitStack() as stack:
        opened = open_dependencies(settings, os.environ, token=token, closing=stack)
        store: Any = FailingStore(opened.store, points)
        launcher: Any = FailingLauncher(opened.launcher, points)
        serve(settings, replace(opened, store=store, launcher=launcher), stop)


if __name__ == "__main__":
    main()
