"""Show a task that is being followed: a moving picture, or plain lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from tesk_cli.cli.session import say
from tesk_cli.domain.narration import headline, last_lines, narrate
from tesk_cli.domain.snapshot import Snapshot
from tesk_model.text import visible

_OUTPUT_LINES = 5


class Progress(Protocol):
    """Is told each time the task has changed."""

    def __call__(self, task: Snapshot) -> None:
        """Show ``task``."""


@contextmanager
def progress(console: Console) -> Iterator[Progress]:
    """Give what fits ``console``: a live picture on a terminal, else lines."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield _Picture(live)


class _Lines:
    """Says what has changed, one line each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._previous: Snapshot | None = None

    def __call__(self, task: Snapshot) -> None:
        for line in narrate(self._previous, task):
            say(self._console, line)
        self._previous = task


class _Picture:
    """Says what has changed above, and what goes on in a moving part below."""

    def __init__(self, live: Live) -> None:
        self._lines = _Lines(live.console)
        self._live = live

    def __call__(self, task: Snapshot) -> None:
        self._lines(task)
        output = [
            Text(
                "  │ " + visible(line.expandtabs()),
                style="dim",
                no_wrap=True,
                overflow="ellipsis",
            )
            for line in last_lines(task, _OUTPUT_LINES)
        ]
        self._live.update(
            Group(Spinner("dots", Text(visible(headline(task)))), *output)
        )
