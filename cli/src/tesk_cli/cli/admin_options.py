"""Declares the options of operators' commands, and connects them."""

import getpass
from contextlib import AbstractContextManager
from typing import Annotated

import typer

from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.ports.admin import AdminCaller, AdminServer
from tesk_model.errors import InvalidRequestError, Violation

Operator = Annotated[
    str,
    typer.Option(
        "--operator",
        envvar="TESK_OPERATOR",
        metavar="NAME",
        help="Who does this, for the audit log. Default: your name on this machine.",
    ),
]
TlsName = Annotated[
    str,
    typer.Option(
        metavar="HOST",
        help="The name in the scheduler's certificate, if it is reached by another.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Change nothing; print what would be done.")
]
User = Annotated[str, typer.Option(metavar="NAME", help="Tasks of this user.")]
Group = Annotated[
    str, typer.Option(metavar="NAME", help="Tasks of users in this group.")
]
Namespace = Annotated[
    str, typer.Option(metavar="NAME", help="Tasks of this namespace.")
]


def connect_admin(
    context: typer.Context, operator: str, tls_name: str
) -> AbstractContextManager[AdminServer]:
    """Return the scheduler."""
    dependencies: Dependencies = context.obj
    name = operator or getpass.getuser()
    return dependencies.admin(AdminCaller(operator=name, tls_name=tls_name))


def subject(
    *, everything: bool, user: str, group: str, namespace: str
) -> dict[str, str]:
    """Return the one subject that was named, as the JSON of its message.

    Raises:
        InvalidRequestError: None was named, or several.
    """
    named = [
        {"kind": f"SUBJECT_KIND_{kind}", "name": name}
        for kind, name in (("USER", user), ("GROUP", group), ("NAMESPACE", namespace))
        if name
    ]
    if everything:
        named.append({"kind": "SUBJECT_KIND_ALL"})
    if len(named) != 1:
        problem = "give one of --all, --user, --group and --namespace"
        raise InvalidRequestError([Violation("", problem)])
    return named[0]
