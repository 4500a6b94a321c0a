"""``tesk storage`` as a user types it, on a storage in memory and files of this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fakes.filer_storage import MemoryStorage
from fakes.task_server import FakeTaskServer
from tesk_cli.adapters.examples import example_path, list_examples
from tesk_cli.adapters.storage import FilerStorage
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.validation import parse_task, validate_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.ports import StorageAccess
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.config import FilerSettings
from tesk_filer.ports import Storage
from tesk_model.locations import Location

PARTS_FROM = 1024
"""Bytes from which on a file comes in parts."""

FILES = {"s3://b/a": b"content", "s3://b/d/x": b"x", "s3://b/d/e/y": b"yy"}


@dataclass
class StorageTerminal:
    """Runs commands.

    Attributes:
        s3: Serves all urls but files of this machine.
        root: Serves these.
        scopes: The folders that commands asked for.
        stopped: Stops transfers.
    """

    root: Path
    s3: MemoryStorage = field(default_factory=lambda: MemoryStorage(dict(FILES)))
    scopes: list[tuple[Path, ...] | None] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def of(self, location: Location) -> Storage:
        return LocalStorage([str(self.root)]) if location.scheme == "file" else self.s3

    def run(self, *arguments: str, stdin: str = "") -> Result:
        dependencies = Dependencies(
            connect=lambda _url: FakeTaskServer(),
            validate=validate_task,
            parse=parse_task,
            storage=self._storage,
            clock=SystemClock(),
            local_server=lambda: None,
            embedded=lambda _folders: pytest.fail("starts no server"),
            serve=lambda _verbose: None,
            examples=list_examples,
            example_path=example_path,
            simulation=lambda _quota, _trace: pytest.fail("simulates nothing"),
            admin=lambda _caller: pytest.fail("calls no scheduler"),
        )
        return CliRunner().invoke(
            build_app(),
            ["storage", *arguments],
            obj=dependencies,
            input=stdin,
            env={"TERM": "dumb"},
        )

    @contextmanager
    def _storage(self, folders: tuple[Path, ...] | None) -> Iterator[StorageAccess]:
        self.scopes.append(folders)
        yield FilerStorage(
            filer=FilerSettings(backoff=timedelta(), parts_from=PARTS_FROM),
            storages=self,
            new_id=lambda: "1",
            umask=0o027,
            stop_on_signals=lambda: self.stopped,
            redact=lambda text: text.replace("s3cr3t", "***"),
        )
