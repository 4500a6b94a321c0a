"""Declares what the commands need from the rest of the program; main provides it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tesk_cli.domain.simulation.trace import Trace
from tesk_cli.ports import Clock, StorageAccess, TaskServer, Validator
from tesk_cli.ports.admin import AdminCaller, AdminServer
from tesk_model.task import Task
from tesk_scheduler.domain.quota import Quota


class EmbeddedServer(Clock, Protocol):
    """A server of this command; its services are checked while its clock sleeps."""

    @property
    def url(self) -> str:
        """Its url."""

    @property
    def engine(self) -> str:
        """Its engine: ``container`` or ``sandbox``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The functions of the rest of the program that commands call.

    Attributes:
        connect: Returns the client of the server at a url.
        validate: Validates a task as a server would.
        parse: Reads a valid task; raises InvalidRequestError for others.
        storage: Opens storages. Takes None for all files of this machine, or the
            folders that a task may use besides those of the settings.
        clock: The time.
        local_server: Returns the url of the server that runs on this machine's
            state folder; None if there is none.
        embedded: Starts a server of this command; takes the folders that it may
            read and write besides those of the settings.
        serve: Runs a server until it is told to stop. Takes ``verbose``.
        examples: Returns names and descriptions of the shipped example tasks.
        example_path: Returns the file of one of them.
        admin: Connects to the scheduler that the settings name, else to that of the
            server on this machine's state folder.
        simulation: Reads the files of a quota and of a trace.
        working_folder: What ``${PWD}`` stands for in urls.
    """

    connect: Callable[[str], TaskServer]
    validate: Validator
    parse: Callable[[bytes], Task]
    storage: Callable[[tuple[Path, ...] | None], AbstractContextManager[StorageAccess]]
    clock: Clock
    local_server: Callable[[], str | None]
    embedded: Callable[[tuple[Path, ...]], AbstractContextManager[EmbeddedServer]]
    serve: Callable[[bool], None]
    examples: Callable[[], Mapping[str, str]]
    example_path: Callable[[str], Path]
    admin: Callable[[AdminCaller], AbstractContextManager[AdminServer]]
    simulation: Callable[[Path, str], tuple[Quota, Trace]]
    working_folder: Callable[[], Path] = Path.cwd
