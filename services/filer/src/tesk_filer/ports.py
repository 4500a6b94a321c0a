"""What a transfer needs of the outside world.

Storage knows urls and whole files; the volume knows container paths. Neither
knows tasks. A call either succeeds or raises ``StorageError``, which says
whether another try may help; nobody else repeats calls.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from tesk_filer.domain.tree import Tree
from tesk_model.locations import Location
from tesk_model.task import Input, Output, OutputFileLog

Advance = Callable[[int], None]
"""Told how many more bytes have moved; raises HaltedError to stop the move."""

Cursor = tuple[()] | tuple[str, "Cursor"]
"""Where a listing goes on: what is next, and the cursor after that; opaque.

Empty: at the beginning, or at the end.
"""


class StorageError(Exception):
    """A file cannot be moved; the message says why and what would help.

    It names neither url nor path (the caller does) and holds no credentials.

    Attributes:
        transient: The same call may succeed later.
        retry_after: When to try again, if the storage said so.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.transient = transient
        self.retry_after = retry_after


class HaltedError(Exception):
    """The transfer is to stop; nothing is wrong with the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What lies at a location.

    Attributes:
        size: Bytes; None if unknown, or for a directory.
        etag: Changes when the content does; "" if the storage has none.
    """

    is_directory: bool = False
    size: int | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, or empty directory, of a listing.

    Attributes:
        name: Literal name relative to what was listed, ``/`` between segments.
    """

    name: str
    size: int | None = None
    etag: str = ""
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing.

    Attributes:
        notes: What was passed over, and why.
        directory: What tells the directory that was listed from all others, by
            whatever path; "" where listings do not go directory by directory.
        depth: How many directories below the top it lies.
    """

    entries: Sequence[Entry]
    cursor: Cursor = ()
    notes: Sequence[str] = ()
    directory: str = ""
    depth: int = 0


class Reader(Protocol):
    """An open file of a storage."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole file; None if the storage does not say."""

    @property
    def etag(self) -> str:
        """See ``Stat.etag``."""

    @property
    def executable(self) -> bool:
        """Whether the file is a program."""

    @property
    def descriptor(self) -> int | None:
        """A file descriptor with the same bytes, for copies in the kernel."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end.

        Raises:
            StorageError: The rest cannot be read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of the volume that goes to a storage.

    Attributes:
        descriptor: Open for reading at offset 0; owned by the caller.
        size: Bytes; exactly so many are sent.
        tag: Distinguishes temporary names of different transfers to one url;
            the same when a transfer is made again.
    """

    descriptor: int
    size: int
    executable: bool
    tag: str


class Storage(Protocol):
    """A kind of storage; safe to use from many threads."""

    def stat(self, location: Location) -> Stat | None:
        """Return what lies there; None if nothing does."""

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """Return a page of all files below a directory, at any depth.

        Raises:
            StorageError: There is no such directory; or as any call.
        """

    def open(
        self, location: Location, *, offset: int = 0
    ) -> AbstractContextManager[Reader]:
        """Open a file for reading, from ``offset`` on."""

    def write(self, location: Location, source: Source, advance: Advance) -> None:
        """Make a file that holds the bytes of ``source``; parents are made.

        When it returns the file is there, complete; when it raises, what was
        there before still is (where the storage can promise that).
        """

    def make_directory(self, location: Location) -> None:
        """Make an empty directory where there are such; else nothing."""


class Storages(Protocol):
    """Finds the storage of a location."""

    def of(self, location: Location) -> Storage:
        """Return it.

        Raises:
            StorageError: It cannot be opened.
        """


class Volume(Tree, Protocol):
    """The files of the task, by container path."""

    def save(self, path: str, reader: Reader, advance: Advance) -> None:
        """Make ``path`` hold what ``reader`` gives: whole, verified, or not at all.

        Raises:
            StorageError: Also if fewer or more bytes came than were announced.
        """

    def open(self, path: str, tag: str) -> AbstractContextManager[Source]:
        """Open a file for upload.

        Raises:
            StorageError: It is not a regular file (any more).
        """

    def make_directory(self, path: str) -> None:
        """Make a directory and its missing parents, writable by any uid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a transfer is; totals are 0 while unknown."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedByScheme:
    """Files and bytes that moved by one scheme of urls, or ``content``."""

    scheme: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """How a transfer ended; see ``FinishTransferRequest``."""

    error: str = ""
    transient: bool = False
    warnings: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    moved: tuple[MovedByScheme, ...] = ()


class Transfers(Protocol):
    """The scheduler's record of this transfer.

    Calls wait patiently for a scheduler that restarts.

    Raises:
        ConflictError: The attempt is over.
        PermissionDeniedError: The token is not of this attempt.
        UnavailableError: The scheduler was not reached in all that time.
    """

    def inputs(self) -> Sequence[Input]:
        """Return what to bring."""

    def outputs(self) -> Sequence[Output]:
        """Return what to take away."""

    def report(self, progress: Progress) -> None:
        """Tell how far the transfer is; tried once."""

    def add_outputs(self, files: Sequence[OutputFileLog]) -> None:
        """Record files that are uploaded."""

    def finish(self, result: TransferResult) -> None:
        """Record how the transfer ended; durable when it returns."""
