"""Which server a command talks to."""

from rich.console import Console

from tesk_cli.cli.doors import Doors
from tesk_cli.ports import TaskServer
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.text import visible


def console() -> Console:
    """Return where progress is shown: stderr, so that stdout holds results."""
    return Console(stderr=True, highlight=False)


def say(screen: Console, line: str, *, style: str | None = None) -> None:
    """Print one line, which may hold what strangers wrote."""
    screen.print(
        visible(line), style=style, markup=False, highlight=False, soft_wrap=True
    )


def connect(doors: Doors, server: str) -> TaskServer:
    """Return the server that was named, or the one that runs on this machine.

    Raises:
        InvalidRequestError: Neither is there, or the url is none.
    """
    url = server or doors.local_server()
    if url is None:
        problem = (
            "which server? none runs on this machine (`tesk serve` starts one);"
            " for another give --server or set TESK_SERVER"
        )
        raise InvalidRequestError([Violation("", problem)])
    return doors.connect(url)
