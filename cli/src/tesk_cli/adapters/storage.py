"""Runs the engine of the filer on this machine, for one command."""

import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec

from tesk_cli.adapters.made_folders import make_folders
from tesk_cli.ports import ShowStatus, StorageFailedError, StorageStoppedError
from tesk_filer.adapters.empty_file import write_empty
from tesk_filer.adapters.storage.registry import StorageRegistry
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.config import FilerSettings, Settings
from tesk_filer.domain.checks import Check
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.domain.redaction import Redactor
from tesk_filer.ports import Cursor, Entry, Stat, StorageError, Storages
from tesk_filer.ports.transfers import TransferResult
from tesk_filer.run_wiring import make_retry, make_run, open_engine
from tesk_filer.usecases.checks import Checks
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer import Transfer
from tesk_filer.wiring import check_shared, open_credentials, storage_config
from tesk_model.errors import UnavailableError
from tesk_model.identities import FileIdentity
from tesk_model.locations import Location, parse_location
from tesk_model.names import Attempt
from tesk_model.task import (
    FileType,
    Input,
    Output,
    OutputFileLog,
    Task,
    TaskId,
    TransferStatus,
)
from tesk_runtime.protected_paths import ProtectedPaths
from tesk_runtime.settings import SettingsError, load
from tesk_runtime.shutdown import stop_on_signals

_SHOW_INTERVAL = timedelta(seconds=0.2)
_WILDCARD = re.compile(r"([*?\[])")  # of output patterns
_UNWRITABLE = re.compile(r"\\[*?\[]")  # what no pattern writes for a name itself


@dataclass(frozen=True, slots=True, kw_only=True)
class FilerStorage:
    """Satisfies ``ports.StorageAccess``.

    Attributes:
        filer: Settings of transfers.
        new_id: Returns an id for what this command writes beside files.
        umask: What new files and directories lack.
        stop_on_signals: Returns an event that Ctrl-C sets from now on.
        redact: Hides in a text what storages were told in secret.
    """

    filer: FilerSettings
    storages: Storages
    new_id: Callable[[], str]
    umask: int
    stop_on_signals: Callable[[], threading.Event]
    redact: Callable[[str], str]

    def stat(self, url: str) -> Stat | None:
        """See ``StorageAccess``."""
        location = parse_location(url)
        with self._explained(location):
            storage = self.storages.of(location)
            return self._retry()(partial(storage.stat, location))

    def list(self, url: str) -> Iterator[Entry]:
        """See ``StorageAccess``."""
        location = parse_location(url)
        retry = self._retry()
        cursor: Cursor = ()
        while True:
            with self._explained(location):
                storage = self.storages.of(location)
                page = retry(partial(storage.list, location, cursor))
            yield from page.entries
            cursor = page.cursor
            if not cursor:
                return

    def get(
        self, url: str, path: Path, *, is_directory: bool, show: ShowStatus
    ) -> TransferResult:
        """See ``StorageAccess``."""
        folder = path if is_directory else path.parent
        try:
            made = make_folders(folder)
        except OSError as error:
            message = f"{folder} cannot be made: {error.strerror}"
            raise StorageFailedError(message) from error
        # Links of the user's own path are followed once, here.
        real = path.resolve() if is_directory else folder.resolve() / path.name
        kind = FileType.DIRECTORY if is_directory else FileType.FILE
        entry = Input(path=f"/{real.name}", url=url, type=kind)
        moved = _OneTransfer(show, to_get=(entry,))
        try:
            return self._move(moved, "inputs", real.parent)
        finally:
            if not moved.results or moved.results[-1].error:
                made.remove_empty()

    def put(self, path: Path, url: str, *, show: ShowStatus) -> TransferResult:
        """See ``StorageAccess``."""
        real = path.resolve()
        kind = FileType.DIRECTORY if real.is_dir() else FileType.FILE
        if _UNWRITABLE.search(real.name):
            message = f"{path} has a backslash before a wildcard; rename it"
            raise StorageFailedError(message)
        name = _WILDCARD.sub(r"\\\1", real.name)
        output = Output(path=f"/{name}", url=url, type=kind)
        return self._move(_OneTransfer(show, to_put=(output,)), "outputs", real.parent)

    def check(self, task: Task, *, write_probe: bool) -> Iterator[Check]:
        """See ``StorageAccess``."""
        checks = Checks(
            storages=self.storages,
            retry=self._retry(),
            write_empty=write_empty if write_probe else None,
            probe_name=f".tesk-check-{self.new_id()}",
        )
        with ThreadPoolExecutor(self.filer.parallel) as threads:
            for found in threads.map(lambda check: check(), checks.of_task(task)):
                yield replace(found, message=self.redact(found.message))

    def _retry(self) -> Retry:
        return make_retry(self.filer, threading.Event())

    def _move(
        self, transfers: "_OneTransfer", direction: str, folder: Path
    ) -> TransferResult:
        filer = msgspec.structs.replace(
            self.filer,
            task=self.new_id(),
            attempt=1,
            direction=direction,
            missing_outputs="error",
            extended_patterns=False,
        )
        # The id is drawn anew each time, so nobody knows it who names files.
        tag = Attempt(TaskId(filer.task), filer.attempt).name
        halt = self.stop_on_signals()
        engine = open_engine(filer, self.storages, halt)
        transfer = Transfer(
            transfer_run=make_run(
                filer,
                engine,
                transfers=transfers,
                volume=FolderVolume(
                    folder, umask=self.umask, tag=tag, keeps_parts=False
                ),
            ),
            transfers=transfers,
            progress=engine.progress,
            halt=halt,
            interval=_SHOW_INTERVAL,
            warn=transfers.warnings.append,
        )
        try:
            transfer.run()
        finally:
            engine.close()
        if not transfers.results:
            raise StorageStoppedError
        return self._redacted(transfers.results[-1])

    def _redacted(self, result: TransferResult) -> TransferResult:
        return replace(
            result,
            error=self.redact(result.error),
            warnings=tuple(map(self.redact, result.warnings)),
        )

    @contextmanager
    def _explained(self, location: Location) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            message = self.redact(f"{location}: {error.message}")
            if error.transient:
                raise UnavailableError(message) from error
            raise StorageFailedError(message) from error


@dataclass(frozen=True, slots=True)
class _OneTransfer:
    """What a command moves; satisfies ``tesk_filer.ports.transfers.Transfers``."""

    show: ShowStatus
    to_get: Sequence[Input] = field(default=(), kw_only=True)
    to_put: Sequence[Output] = field(default=(), kw_only=True)
    results: list[TransferResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def inputs(self) -> Sequence[Input]:
        return self.to_get

    def outputs(self) -> Sequence[Output]:
        return self.to_put

    def report(self, status: TransferStatus) -> None:
        self.show(status)

    def wants_identities(self) -> bool:
        """Ask for none: no other transfer is compared with this one."""
        return False

    def add_identities(self, files: Sequence[FileIdentity]) -> bool:
        """Keep none."""
        del files
        return False

    def add_outputs(self, files: Sequence[OutputFileLog]) -> None:
        """Keep no list: the result counts them."""

    def finish(self, result: TransferResult) -> None:
        self.results.append(result)


def open_storage(
    environ: Mapping[str, str],
    *,
    writable: Sequence[Path] | None,
    readable: Sequence[Path],
) -> FilerStorage:
    """Open the storages of the filer's settings.

    Args:
        environ: Holds the settings.
        writable: Folders of this machine that may be read and written; None: all that
            the user may, also protected ones.
        readable: Folders that may be read.

    Raises:
        SettingsError: A setting, or a file of credentials, is malformed.
    """
    settings = load(Settings, environ)
    redactor = Redactor()
    try:
        check_shared(settings.filer)
        operator = open_credentials(settings.filer, warn=_say_nothing)
        operator.check()
        credentials = operator.of(TaskOwner, told=redactor.add)
        config = storage_config(settings, credentials, environ)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    files = replace(
        config.files,
        roots=tuple(map(str, writable or ())),
        read_roots=tuple(map(str, readable)),
    )
    if writable is None:
        files = replace(files, roots=("/",), protected=ProtectedPaths)
    return FilerStorage(
        filer=settings.filer,
        storages=StorageRegistry(replace(config, files=files)),
        new_id=lambda: secrets.token_hex(8),
        umask=_umask(),
        stop_on_signals=stop_on_signals,
        redact=redactor,
    )


def _say_nothing(warning: str) -> None:
    """Ignore that a file of credentials became unreadable during the command.

    What was read at its begin stays in use; what is wrong then ends it, with one line.
    """
    del warning


def _umask() -> int:
    """Return the umask, which can only be read by setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
