"""Connects a command to a server and reports its messages on stderr."""

from rich.console import Console

from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.ports import TaskServer
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.text import escape_line


def console() -> Console:
    """Return the console of progress: stderr, so that stdout holds results alone."""
    return Console(stderr=True, highlight=False)


def report(target: Console, line: str, *, style: str | None = None) -> None:
    """Print one line, which may hold untrusted text."""
    target.print(
        escape_line(line), style=style, markup=False, highlight=False, soft_wrap=True
    )


def connect(dependencies: Dependencies, server: str) -> TaskServer:
    """Return the server that was named, or the one that runs on this machine.

    Raises:
        InvalidRequestError: There is neither, or the url is not valid.
    """
    url = server or dependencies.local_server()
    if url is None:
        problem = (
            "no server runs on this machine (`tesk serve` starts one);"
            " give --server or set TESK_SERVER to use another"
        )
        raise InvalidRequestError([Violation("", problem)])
    return dependencies.connect(url)
