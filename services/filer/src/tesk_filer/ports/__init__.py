"""Ports of a transfer: storages.

Storage knows urls and whole files; the volume (``ports.volume``) knows container
paths. Neither knows tasks, which the scheduler does (``ports.transfers``). A call either succeeds or raises ``StorageError``, which says whether a retry may
help; only ``usecases.retry`` repeats calls.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol

from tesk_filer.domain.credentials import Credential
from tesk_model.locations import Location

Advance = Callable[[int], None]
"""Called with the number of bytes that moved; raises HaltedError to stop.

Less than 0: they move again. From any thread, also from several at once.
"""


class Unmoved(int):
    """Bytes for ``Advance`` that are there at once, such as those of a clone or a hole."""


Cursor = tuple[()] | tuple[str, "Cursor"]
"""Position of a listing: the next item, and the cursor after it; opaque.

Empty: at the beginning, or at the end.
"""

Checksums = Mapping[str, str]
"""Digests of a file in lower-case hex by algorithm: ``md5``, ``sha256``, ``crc32c``, …

Only of the bytes of the file: no digest of digests, as ETags of multipart uploads are.
"""

NO_CHECKSUMS: Checksums = MappingProxyType({})


class StorageError(Exception):
    """A file cannot be transferred; the message says why and what would help.

    It names neither url nor path (the caller does) and holds no credentials.

    Attributes:
        transient: The same call may succeed later.
        retry_after: Time to wait before a retry, if the storage asks for it.
        throttled: The storage is asked for too much at once (429, 503, SlowDown).
        begins_anew: What has arrived is of no use for a retry.
    """

    begins_anew = False

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        retry_after: timedelta | None = None,
        throttled: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.transient = transient
        self.retry_after = retry_after
        self.throttled = throttled


class ChangedError(StorageError):
    """The content is not the one that is read any more."""

    begins_anew = True

    def __init__(self, message: str = "changed while it was read") -> None:
        super().__init__(message, transient=True)


class ChecksumError(StorageError):
    """What arrived has another checksum than announced.

    Attributes:
        algorithm: Of the checksum.
    """

    begins_anew = True

    def __init__(self, message: str, algorithm: str) -> None:
        super().__init__(message, transient=True)
        self.algorithm = algorithm


class HaltedError(Exception):
    """The transfer was stopped; the file itself is not at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """Status of a location.

    Attributes:
        size: Bytes; None if unknown, or for a directory.
        etag: Changes when the content does; "" if the storage has none.
        checksums: What the storage says of the content.
        is_private: Another credential than that of its url may have been sent for it.
    """

    is_directory: bool = False
    size: int | None = None
    etag: str = ""
    checksums: Checksums = field(default_factory=lambda: NO_CHECKSUMS)
    is_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Stat):
    """One file, or empty directory, of a listing.

    Attributes:
        name: Literal name relative to what was listed, ``/`` between segments.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a file from ``start`` on, ``stop`` and what follows not included."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing.

    Attributes:
        notes: What was left out, and why.
        directory: Identity of the listed directory, the same for all its paths; "" where
            a page is not one directory.
        depth: Number of directories between it and the top.
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
    def checksums(self) -> Checksums:
        """See ``Stat.checksums``; always of the whole file."""

    @property
    def executable(self) -> bool:
        """Whether the file has the executable bit."""

    @property
    def descriptor(self) -> int | None:
        """A file descriptor with the same bytes, for copies in the kernel.

        None also if only a part is open. Who has copied reads on from there to the end.
        """

    @property
    def has_parts(self) -> bool:
        """Whether parts of the same content can be open at once, beside this."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end.

        Raises:
            ChangedError: The file is not what it was when it was opened, where the
                storage can tell; at the end at the latest.
            StorageError: The rest cannot be read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An open file of the volume that is uploaded.

    Attributes:
        descriptor: Open for reading at offset 0; owned by the caller.
        size: Bytes; exactly so many are sent.
        stamp: Changes when the file does; see ``ports.volume.Saved``.
        tag: Distinguishes temporary names of different transfers to one url; the same
            when a transfer is repeated. Nobody knows it who names files.
    """

    descriptor: int
    size: int
    executable: bool
    tag: str
    stamp: str = ""


class Storage(Protocol):
    """A kind of storage; safe to use from many threads."""

    def stat(self, location: Location) -> Stat | None:
        """Return its status; None if nothing exists there."""

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """Return a page of all files below a directory, at any depth.

        Raises:
            StorageError: The directory does not exist; or as any call.
        """

    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> AbstractContextManager[Reader]:
        """Open a file for reading.

        Args:
            location: Of the file.
            part: What to read of it; None: all.
            known: What ``stat``, ``list`` or a ``Reader`` said of the file: the storage
                does not ask again.

        Raises:
            ChangedError: The content is not ``known`` any more, where the storage can
                tell; a ``Reader`` raises it, too.
            StorageError: As any call.
        """

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """Write the bytes of ``source`` to a file; parents are made.

        When it returns, the file is complete; when it raises, the previous file is
        unchanged (where the storage can guarantee that).

        Returns:
            The ETag of what was written, as ``stat`` says it, if the storage told it
            with the result; else "". It is never asked for afterwards: another one
            may have written meanwhile.
        """

    def make_directory(self, location: Location) -> None:
        """Make an empty directory, if the storage has directories."""


class Storages(Protocol):
    """Finds the storage of a location."""

    def of(self, location: Location) -> Storage:
        """Return it.

        Raises:
            StorageError: It cannot be opened.
        """


class Credentials(Protocol):
    """What this transfer may use of the operator's credentials; thread-safe.

    Credentials rotate: each request asks again, and an answer is not kept.
    """

    def find(self, location: Location) -> Credential | None:
        """Return the credential for a location; None: as the environment provides.

        User and password of a url are not considered: they win over the answer.

        Raises:
            StorageError: What the operator gives cannot be read.
        """


class MonotonicClock(Protocol):
    """Reads the time."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
