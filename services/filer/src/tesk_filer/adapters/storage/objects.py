"""Object stores as storages: buckets of keys, where a directory is a common prefix.

What the services have in common is here; ``ObjectService`` is what each does by
requests of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from tesk_filer.domain.checks import WriteFound
from tesk_filer.ports import (
    Advance,
    Cursor,
    Entry,
    Page,
    Part,
    Reader,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location, printable

_PAGE = 1000  # objects
_MAX_EMPTY = 1000  # pages one after another; services filter after they have cut


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """The name of an object.

    Attributes:
        location: Where it comes from; decides on credentials.
        bucket: Or container.
        key: Literal; "" for the bucket itself.
    """

    location: Location
    bucket: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPage:
    """A page of a listing.

    Attributes:
        entries: Named by whole keys. Placeholders of directories are directories.
        token: Of the next page; "" if this is the last.
    """

    entries: Sequence[Entry]
    token: str = ""


class RefusedError(StorageError):
    """A service refused a request.

    Attributes:
        is_absent: The object does not exist.
    """

    is_absent = False


class ObjectService(Protocol):
    """Requests of one kind of object store; thread-safe.

    Raises:
        StorageError: Of every call, for every failure.
    """

    def name_of(self, location: Location) -> ObjectName:
        """Return the object that a location names."""

    def head(self, name: ObjectName) -> Stat | None:
        """Return the status of an object; None if there is none."""

    def page(
        self, name: ObjectName, prefix: str, *, token: str, size: int
    ) -> ObjectPage:
        """Return a page of the objects of a bucket whose keys start with ``prefix``."""

    def open(
        self, name: ObjectName, part: Part | None, known: Stat | None
    ) -> AbstractContextManager[Reader]:
        """Open an object, whose content is still the ``known`` one.

        It takes one request: what is not known the response says.
        """

    def put(self, name: ObjectName, source: Source, advance: Advance) -> str:
        """Write an object, verified, whole or not at all; see ``Storage.write``."""

    def delete(self, name: ObjectName) -> None:
        """Delete an object, if there is one."""

    def check_put(self, name: ObjectName) -> WriteFound:
        """Tell whether an object could be written; see ``ChecksWrites.check_write``."""

    def close(self) -> None:
        """Close all connections."""


class ObjectStorage:
    """Satisfies ``ports.Storage`` by an ``ObjectService``."""

    def __init__(self, service: ObjectService, *, page_size: int = _PAGE) -> None:
        """List up to ``page_size`` objects by one request."""
        self._service = service
        self._page_size = page_size

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        name = self._service.name_of(location)
        if name.key and not name.key.endswith("/"):
            found = self._service.head(name)
            if found is not None:
                return found
        return Stat(is_directory=True) if self._has_any(name) else None

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; objects whose key ends in ``/`` mark directories."""
        name = self._service.name_of(location)
        prefix = _prefix(name.key)
        page = self._page(name, token=cursor[0] if cursor else "", size=self._page_size)
        if not page.entries and not cursor and prefix:
            raise StorageError(self._no_directory(name))
        entries: list[Entry] = []
        notes: list[str] = []
        for entry in page.entries:
            relative = entry.name.removeprefix(prefix)
            if not entry.is_directory and not entry.name.endswith("/"):
                entries.append(_renamed(entry, relative))
            elif entry.size:
                notes.append(
                    f'{printable(relative)} ends in "/" but is no empty marker of a '
                    "directory, left out"
                )
        return Page(entries, (page.token, ()) if page.token else (), notes)

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator[Reader]:
        """See ``Storage``; an object that changes meanwhile is an error."""
        name = self._file(location)
        try:
            with self._service.open(name, part, known) as reader:
                yield reader
        except RefusedError as error:
            if not error.is_absent:
                raise
            raise StorageError(self._absence(name)) from error

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; an object appears whole or not at all."""
        return self._service.put(self._file(location), source, advance)

    def remove(self, location: Location) -> None:
        """See ``usecases.checks.Removes``."""
        self._service.delete(self._file(location))

    def check_write(self, location: Location) -> WriteFound:
        """See ``usecases.checks.ChecksWrites``."""
        return self._service.check_put(self._file(location))

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._service.close()

    def _file(self, location: Location) -> ObjectName:
        name = self._service.name_of(location)
        if not name.key:
            raise StorageError("names a bucket or container, not a file")
        return name

    def _page(self, name: ObjectName, *, token: str, size: int) -> ObjectPage:
        """Return the next page that is not empty, or the last one."""
        prefix = _prefix(name.key)
        for _ in range(_MAX_EMPTY):
            page = self._service.page(name, prefix, token=token, size=size)
            if page.entries or not page.token:
                return page
            if page.token == token:
                raise StorageError("the service lists the same page again and again")
            token = page.token
        raise StorageError(
            f"the service lists {_MAX_EMPTY:,} pages of nothing, and more are to come"
        )

    def _has_any(self, name: ObjectName) -> bool:
        return bool(self._page(name, token="", size=1).entries)

    def _no_directory(self, name: ObjectName) -> str:
        # The right to list does not imply the right to read.
        with suppress(StorageError):
            if not name.key.endswith("/") and self._service.head(name):
                return "is a file; give the input type FILE"
        return f'does not exist: no name there starts with "{_prefix(name.key)}"'

    def _absence(self, name: ObjectName) -> str:
        if self._has_any(name):
            return "is a directory; give the input type DIRECTORY"
        return "does not exist (404); check the name"


def verify_size(service: ObjectService, name: ObjectName, size: int) -> None:
    """Raise StorageError, transient, if an object that was written has another size."""
    try:
        found = service.head(name)
    except StorageError:
        return  # the right to write does not imply the right to read
    if found is None or found.size != size:
        there = "nothing" if found is None else f"{found.size} bytes"
        message = f"{size} bytes were sent and {there} arrived"
        raise StorageError(message, transient=True)


def _prefix(key: str) -> str:
    return key if not key or key.endswith("/") else f"{key}/"


def _renamed(entry: Entry, name: str) -> Entry:
    return Entry(name=name, size=entry.size, etag=entry.etag, checksums=entry.checksums)
