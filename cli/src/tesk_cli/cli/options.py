"""Declares the options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """The format of results on stdout."""

    TEXT = "text"
    JSON = "json"


Server = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        envvar="TESK_SERVER",
        metavar="URL",
        help="A TES server: http://host, with or without /v1 or /ga4gh/tes/v1. "
        "Default: the server that runs on this machine.",
    ),
]
Format = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", help="How to print the result."),
]
TaskIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of tasks.")]
TaskFile = Annotated[
    str, typer.Argument(metavar="FILE", help="A task in JSON; - for standard input.")
]
NamePrefix = Annotated[str, typer.Option(help="Only names that start so.")]
Tags = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY[=VALUE]", help="Only with this tag; repeatable."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, after counting.")]


def tags_of(options: list[str] | None) -> dict[str, str]:
    """Return the conditions that options name; an empty value means any."""
    pairs = (option.partition("=") for option in options or [])
    return {key: value for key, _, value in pairs}
