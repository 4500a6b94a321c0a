"""Checks whether the inputs of a task can be read and its outputs written.

Nothing of the task runs and nothing stays behind. Whether an output could be written is
asked in a way that writes nothing; where there is none it is unknown, unless a probe is
allowed: an empty file of a hidden name beside the output, which is removed again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

from tesk_filer.domain.checks import (
    Check,
    LocationsToCheck,
    Verdict,
    WriteFound,
)
from tesk_filer.ports import Cursor, Stat, Storage, StorageError, Storages
from tesk_filer.usecases.retry import Retry
from tesk_model.locations import (
    InvalidLocationError,
    Location,
    describe_url,
    parse_location,
)
from tesk_model.paths import is_pattern
from tesk_model.quantities import format_bytes
from tesk_model.references import is_reference
from tesk_model.task import FileType, Input, Output, Task

_MAX_PAGES = 100  # of a directory whose first file is looked for


@runtime_checkable
class ChecksWrites(Protocol):
    """A storage that can be asked whether it would write, without writing."""

    def check_write(self, location: Location) -> WriteFound:
        """Tell whether a file could be written now; no file or folder comes or changes.

        Raises:
            StorageError: It could not.
        """


@runtime_checkable
class Removes(Storage, Protocol):
    """A storage that removes files, and makes no directories when it writes some."""

    def remove(self, location: Location) -> None:
        """Remove a file; nothing happens if it does not exist."""


class _Found(NamedTuple):
    verdict: Verdict
    message: str
    type: FileType | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Checks inputs and outputs, each for itself.

    Attributes:
        write_empty: Writes an empty file to a location; None: probes are not allowed.
        probe_name: Hidden and unique name of a probe.
    """

    storages: Storages
    retry: Retry
    write_empty: Callable[[Storage, Location], None] | None
    probe_name: str

    def of_task(self, task: Task | LocationsToCheck) -> Iterator[Callable[[], Check]]:
        """Yield the checks of a task, to be called in any order."""
        for index, entry in enumerate(task.inputs):
            yield partial(self._check_input, f"inputs[{index}]", entry)
        for index, output in enumerate(task.outputs):
            yield partial(self._check_output, f"outputs[{index}]", output)

    def _check_input(self, field: str, entry: Input) -> Check:
        url = "" if entry.content else (entry.url or "")

        def find() -> _Found:
            if not url:
                return _Found(Verdict.OK, "its content is in the task")
            if is_reference(url):
                return _Found(
                    Verdict.UNKNOWN, "the server mounts it; that was not checked"
                )
            location = parse_location(url)
            storage = self.storages.of(location)
            if entry.type is FileType.DIRECTORY:
                message = self._read_directory(storage, location)
                return _Found(Verdict.OK, message, FileType.DIRECTORY)
            return self._read_file(storage, location)

        return _checked(field, entry.path, url, find)

    def _read_directory(self, storage: Storage, location: Location) -> str:
        cursor: Cursor = ()
        for _ in range(_MAX_PAGES):
            page = self.retry(partial(storage.list, location, cursor))
            first = next((each for each in page.entries if not each.is_directory), None)
            if first is not None:
                self._read_file(storage, location.below(first.name), known=first)
                return "was listed, and the first byte of its first file was read"
            cursor = page.cursor
            if not cursor:
                return "was listed; it has no files"
        return "was listed; its files were not looked for any further"

    def _read_file(
        self, storage: Storage, location: Location, *, known: Stat | None = None
    ) -> _Found:
        def read() -> tuple[int | None, bytes]:
            with storage.open(location, known=known) as reader:
                return reader.size, reader.read(1)

        size, first = self.retry(read)
        if not first:
            return _Found(Verdict.OK, "was opened; it is empty", FileType.FILE, 0)
        has = "" if size is None else f"; it has {format_bytes(size)}"
        message = f"its first byte was read{has}"
        return _Found(Verdict.OK, message, FileType.FILE, size)

    def _check_output(self, field: str, output: Output) -> Check:
        def find() -> _Found:
            location = parse_location(output.url)
            storage = self.storages.of(location)
            holds_many = output.type is FileType.DIRECTORY or is_pattern(
                output.path, output.path_prefix
            )
            if not (holds_many or location.names_a_file):
                raise StorageError("ends in a slash; a file needs a name")
            probe = _beside(location, self.probe_name, within=holds_many)
            if self.write_empty is not None and isinstance(storage, Removes):
                self._write_probe(storage, probe, self.write_empty)
                message = "an empty file was written beside it, and removed"
                return _Found(Verdict.OK, message)
            if isinstance(storage, ChecksWrites):
                target = probe if holds_many else location
                return _Found(*self.retry(partial(storage.check_write, target)))
            message = "only an upload can tell; nothing was written"
            return _Found(Verdict.UNKNOWN, message)

        return _checked(field, output.path, output.url, find)

    def _write_probe(
        self,
        storage: Removes,
        probe: Location,
        write_empty: Callable[[Storage, Location], None],
    ) -> None:
        self.retry(partial(write_empty, storage, probe))
        try:
            self.retry(partial(storage.remove, probe))
        except StorageError as error:
            message = f"its probe was written, and {probe} stays: {error.message}"
            raise StorageError(message) from error


def _checked(field: str, path: str, url: str, find: Callable[[], _Found]) -> Check:
    try:
        found = find()
    except StorageError as error:
        found = _Found(Verdict.FAILED, error.message)
    except InvalidLocationError as error:
        found = _Found(Verdict.FAILED, str(error))
    return Check(
        field=field,
        path=path,
        url=describe_url(url) if url else "",
        verdict=found.verdict,
        message=found.message,
        type=found.type,
        size=found.size,
    )


def _beside(location: Location, name: str, *, within: bool) -> Location:
    """Return the location of ``name`` in a directory, or in that of a file."""
    if within:
        return location.below(name)
    return replace(location, written=location.written.rpartition("/")[0]).below(name)
