"""What the commands need from the rest of the program; main puts it in."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tesk_cli.ports import Clock, TaskServer, Validator


class EmbeddedServer(Clock, Protocol):
    """A server of our own, kept up while somebody sleeps with it as clock."""

    @property
    def url(self) -> str:
        """Where it listens."""

    @property
    def engine(self) -> str:
        """What runs executors: ``container`` or ``sandbox``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The rest of the program, as the commands see it.

    Attributes:
        connect: From the url of a server to the server.
        validate: What a server would find wrong with a task.
        clock: Time.
        local_server: Url of the server that runs on this machine's state
            folder; None if there is none.
        embedded: A server of our own; takes the folders that it may read and
            write besides those of the settings.
        serve: Runs a server until it is told to stop; returns the exit code.
            Takes ``verbose``.
        examples: Names and descriptions of the shipped example tasks.
        example_path: The file of one of them.
        working_folder: What ``${PWD}`` stands for in urls.
    """

    connect: Callable[[str], TaskServer]
    validate: Validator
    clock: Clock
    local_server: Callable[[], str | None]
    embedded: Callable[[tuple[Path, ...]], AbstractContextManager[EmbeddedServer]]
    serve: Callable[[bool], None]
    examples: Callable[[], Mapping[str, str]]
    example_path: Callable[[str], Path]
    working_folder: Callable[[], Path] = Path.cwd
