"""Writes the commands by which a program submits and reads a task; pure.

A document of JSON has no line of its own that reads ``EOF``, so that it can stand in a
here-document.
"""

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What can be copied.

    Attributes:
        id: Of the page's part.
        name: What it is.
    """

    id: str
    name: str
    text: str


def commands_for(
    task_id: str, document: str, *, address: str, user: str
) -> list[Command]:
    """Return how a program sends ``document``, and how it reads the task.

    Args:
        task_id: Of the task.
        document: Of it, as it was submitted: indented JSON.
        address: Of the server, with a slash at the end.
        user: Who asks; "" without authentication.
    """
    url = f"{address}ga4gh/tes/v1/tasks"
    login = f" -u {shlex.quote(user)}" if user else ""
    server = shlex.quote(address)
    return [
        Command(
            id="curl",
            name="Submit by curl",
            text=f"curl -s{login} -H 'Content-Type: application/json' --data-binary @-"
            f" {shlex.quote(url)} <<'EOF'\n{document}\nEOF",
        ),
        Command(
            id="tesk",
            name="Submit by tesk",
            text=f"tesk task create - --server {server} <<'EOF'\n{document}\nEOF",
        ),
        Command(
            id="python", name="Submit by Python", text=_python(url, document, user)
        ),
        Command(
            id="read",
            name="Read it",
            text=f"curl -s{login} {shlex.quote(f'{url}/{task_id}?view=FULL')}\n"
            f"tesk task get {shlex.quote(task_id)} --server {server}",
        ),
    ]


def _python(url: str, document: str, user: str) -> str:
    """Return a program on ``requests``; the document is a literal of Python."""
    lines = [
        *(["import getpass"] if user else []),
        "import json",
        "",
        "import requests",
    ]
    login = f", auth=({user!r}, getpass.getpass())" if user else ""
    return "\n".join(
        [
            *lines,
            "",
            f"task = json.loads({document!r})",
            f"answer = requests.post({url!r}, json=task{login}, timeout=60)",
            "answer.raise_for_status()",
            'print(answer.json()["id"])',
        ]
    )
