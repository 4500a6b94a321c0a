"""Shows the progress of a task: a live display on a terminal, else plain lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from tesk_cli.cli.session import report
from tesk_cli.cli.transfer_bar import transfer_bar
from tesk_cli.domain.changes import format_changes, format_state, last_lines
from tesk_cli.domain.snapshot import Snapshot
from tesk_model.text import escape_line

_OUTPUT_LINES = 5


class Progress(Protocol):
    """Shows a task; called each time it has changed."""

    def __call__(self, task: Snapshot) -> None:
        """Show ``task``."""


@contextmanager
def progress(console: Console) -> Iterator[Progress]:
    """Yield a live display if ``console`` is a terminal, else plain lines."""
    if not console.is_terminal:
        yield _PlainLines(console)
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield _LiveDisplay(live)


class _PlainLines:
    """Prints one line for each change; ``transfers``: see ``format_changes``."""

    def __init__(self, console: Console, *, transfers: bool = True) -> None:
        self._console = console
        self._transfers = transfers
        self._previous: Snapshot | None = None

    def __call__(self, task: Snapshot) -> None:
        for line in format_changes(self._previous, task, transfers=self._transfers):
            report(self._console, line)
        self._previous = task


class _LiveDisplay:
    """Prints changes as lines; shows state and newest output in a live part below."""

    def __init__(self, live: Live) -> None:
        # Bars show the transfers; lines of them would scroll the rest away.
        self._lines = _PlainLines(live.console, transfers=False)
        self._live = live

    def __call__(self, task: Snapshot) -> None:
        self._lines(task)
        output = [
            Text(
                "  │ " + escape_line(line.expandtabs()),
                style="dim",
                no_wrap=True,
                overflow="ellipsis",
            )
            for line in last_lines(task, _OUTPUT_LINES)
        ]
        state = Spinner("dots", Text(escape_line(format_state(task))))
        self._live.update(Group(state, *map(transfer_bar, task.transfers), *output))
