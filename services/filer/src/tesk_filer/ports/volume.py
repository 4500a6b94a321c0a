"""The port of the task volume: its files, by container path."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tesk_filer.domain.tree import Tree
from tesk_filer.ports import NO_CHECKSUMS, Advance, Checksums, Reader, Source

Checks = Mapping[str, str]
"""Digests to compute by algorithm, each with what it must be; "": anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A file that arrived in the volume.

    Attributes:
        stamp: Changes when the file does.
        digests: Those that were asked for, see ``Checks``.
    """

    size: int
    stamp: str
    digests: Checksums


class PartialFile(Protocol):
    """A file of the volume that arrives in parts; safe for many threads."""

    @property
    def stamp(self) -> str:
        """Tells this temporary file from another one at the same path."""

    @property
    def is_resumed(self) -> bool:
        """Whether it holds what an earlier process wrote."""

    @property
    def reserved(self) -> int:
        """Bytes that had their space on the disk at the beginning, written or not."""

    def write(self, data: bytes, offset: int) -> None:
        """Write bytes of the file.

        Raises:
            StorageError: They cannot be written.
        """

    def finish(self, checks: Checks, advance: Advance, *, executable: bool) -> Saved:
        """Verify the file, all of which is written, and give it its name.

        ``advance`` is called with 0 while the file is verified.

        Raises:
            ChecksumError: A checksum differs.
            StorageError: It cannot be read or renamed.
        """


class Volume(Tree, Protocol):
    """The files of the task, by container path."""

    def save(
        self, path: str, reader: Reader, advance: Advance, checks: Checks = NO_CHECKSUMS
    ) -> Saved:
        """Write the bytes of ``reader`` to ``path``: complete and verified, or not at all.

        Raises:
            ChecksumError: A checksum differs; the first of ``checks``.
            StorageError: Also if the size differs from the announced one, or there is
                not enough space.
        """

    def begin_parts(
        self, path: str, size: int, *, resumed: str, renew: Callable[[], None]
    ) -> AbstractContextManager[PartialFile]:
        """Begin a file of ``size`` bytes that arrives in parts.

        What has arrived stays, under a temporary name, if the block is left by
        HaltedError or by an error that may pass.

        Args:
            path: Of the file.
            size: Reserved on the disk, where its file system can do that.
            resumed: The stamp of the temporary file to go on with, if it is there.
            renew: Called before a new temporary file is made.

        Raises:
            StorageError: Also if there is not enough space.
        """

    def stamp(self, path: str) -> str:
        """Return what ``Saved.stamp`` would be now; "" if there is no file."""

    def check_space(self, needed: int) -> None:
        """Check that ``needed`` bytes are free.

        Raises:
            StorageError: They are not.
        """

    def open(self, path: str, tag: str) -> AbstractContextManager[Source]:
        """Open a file for upload.

        Args:
            path: Of the file.
            tag: Distinguishes uploads of this volume; a part of ``Source.tag``.

        Raises:
            StorageError: It is not a regular file (any more).
        """

    def digest(self, source: Source, algorithm: str, advance: Advance) -> str:
        """Return a digest of an open file, in lower-case hex.

        ``advance`` is called with 0 meanwhile.

        Raises:
            StorageError: It cannot be read.
        """

    def make_directory(self, path: str) -> None:
        """Make a directory and its missing parents, writable by any uid."""
