"""The port of the manifest: what earlier filers of this transfer have moved already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tesk_filer.ports import NO_CHECKSUMS, Checksums, Part, Stat


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A file that moved, whole and verified.

    Attributes:
        size: Bytes.
        stamp: Of the file in the volume, see ``Saved.stamp``.
        etag: Of the file in the storage; "" if it has none, or for outputs.
        identity: See ``domain.identities``; "" if there is none.
        digests: Those that were computed.
    """

    size: int
    stamp: str
    etag: str = ""
    identity: str = ""
    digests: Checksums = field(default_factory=lambda: NO_CHECKSUMS)


MovedFile = tuple[str, str, Moved]
"""Container path and url of a file, with its user, and what moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A large file of which parts have arrived.

    Attributes:
        size: Bytes of the whole file.
        etag: Of the content that the parts are of.
        stamp: Of the temporary file, see ``PartialFile.stamp``.
        parts: Those that are there.
        checksums: Told of the whole when it was begun; parts may come without them.
    """

    size: int
    etag: str
    stamp: str
    parts: Sequence[Part]
    checksums: Checksums = field(default_factory=lambda: NO_CHECKSUMS)


class Manifest(Protocol):
    """A record that survives the filer; safe for many threads.

    It is only believed for the attempt and direction of this transfer. Urls are those of
    ``Location.url_of_user``: what one user moved is not another's. Recording never
    fails: what cannot be recorded is moved again.
    """

    @property
    def is_empty(self) -> bool:
        """Whether no earlier filer has moved a file, or begun one."""

    def moved(self, path: str, url: str) -> Moved | None:
        """Return what an earlier filer recorded of a file."""

    def begin_wave(self, wave: int) -> None:
        """Begin a wave of the plan: what is recorded and asked from now on is of it."""

    def is_of_later_wave(self, path: str, stamp: str) -> bool:
        """Tell whether an earlier filer brought the file with ``stamp`` in a later wave.

        It then lies rightly where one of the present wave was.
        """

    def begun(self, path: str, url: str) -> Begun | None:
        """Return which parts of a file earlier filers have brought."""

    def add(self, path: str, url: str, moved: Moved) -> None:
        """Record a file that has moved."""

    def add_all(self, files: Iterable[MovedFile]) -> None:
        """Record files that have moved, for less than one by one."""

    def begin(self, path: str, url: str, content: Stat) -> None:
        """Forget the parts of a file; those that follow are of ``content``."""

    def add_part(self, path: str, url: str, part: Part, stamp: str) -> None:
        """Record a part that is written to the temporary file with ``stamp``."""


class NoManifest:
    """Records nothing; for transfers that are not repeated."""

    is_empty = True

    def moved(self, path: str, url: str) -> Moved | None:
        """See ``Manifest``."""
        del path, url
        return None

    def begin_wave(self, wave: int) -> None:
        """See ``Manifest``."""

    def is_of_later_wave(self, path: str, stamp: str) -> bool:
        """See ``Manifest``."""
        del path, stamp
        return False

    def begun(self, path: str, url: str) -> Begun | None:
        """See ``Manifest``."""
        del path, url
        return None

    def add(self, path: str, url: str, moved: Moved) -> None:
        """See ``Manifest``."""

    def add_all(self, files: Iterable[MovedFile]) -> None:
        """See ``Manifest``."""

    def begin(self, path: str, url: str, content: Stat) -> None:
        """See ``Manifest``."""

    def add_part(self, path: str, url: str, part: Part, stamp: str) -> None:
        """See ``Manifest``."""
