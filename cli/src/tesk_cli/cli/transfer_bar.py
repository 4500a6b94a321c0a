"""Renders the progress of a transfer for a terminal: a bar, numbers, the file."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tesk_cli.domain.transfer_lines import share_of
from tesk_model.progress import format_progress
from tesk_model.task import TransferStatus
from tesk_model.text import escape_line

_WIDTH = 30  # characters


def transfer_bar(status: TransferStatus) -> RenderableType:
    """Return two lines: how far the transfer is, and the file that moves."""
    share = share_of(status)
    row = Table.grid(padding=(0, 1))
    row.add_row(
        Text(escape_line(status.direction)),
        ProgressBar(
            total=1.0 if share is not None else None,
            completed=share or 0.0,
            width=_WIDTH,
            pulse=share is None,
        ),
        Text(format_progress(status), no_wrap=True, overflow="ellipsis"),
    )
    if not status.path:
        return row
    shown = f"{status.path}  {status.url}".rstrip()
    file = Text(f"  {escape_line(shown)}", style="dim", no_wrap=True)
    file.overflow = "ellipsis"
    return Group(row, file)
