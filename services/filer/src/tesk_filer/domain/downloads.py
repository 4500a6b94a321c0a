"""Plans the order of downloads.

Inputs are downloaded in waves. Within a wave no path lies in another's directory,
so its files may arrive in any order, many at once, and a directory may be
listed while its files arrive. Between waves the rules for overlaps hold: two
directories with one path merge in list order, the last wins, and an input
inside another's directory is placed after it (GA4GH TES 1.1 ``tesInput``,
which leaves overlaps open; users of the older TESK rely on this).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_model.locations import Location, parse_location, printable
from tesk_model.paths import normalize
from tesk_model.task import FileType, Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One input and where it goes.

    Attributes:
        index: Of the input in its task.
        path: Normalized container path.
        source: Where it comes from; None if ``content`` is the source.
        content: The literal bytes of the file.
        is_directory: Everything below ``url`` goes below ``path``.
    """

    index: int
    path: str
    source: Location | None
    content: bytes
    is_directory: bool

    @property
    def field(self) -> str:
        """Name the input as TES does, e.g. ``inputs[2]``."""
        return f"inputs[{self.index}]"

    def __str__(self) -> str:
        """Name it for people, without credentials."""
        return title(self.field, self.path, str(self.source or ""))


def title(field: str, path: str, shown: str) -> str:
    """Name a transfer for people; ``shown`` is its url without credentials."""
    where = f"{field} ({printable(path)})"
    return f"{where}: {shown}" if shown else where


def plan_download(index: int, entry: Input) -> Download:
    """Return what to do for the input ``index``.

    Raises:
        InvalidLocationError: Its url cannot be read.
    """
    # Content wins over url unless it is empty and there is a url.
    url = "" if entry.content else (entry.url or "")
    return Download(
        index=index,
        path=normalize(entry.path),
        source=parse_location(url) if url else None,
        content=b"" if url else (entry.content or "").encode(),
        is_directory=entry.type is FileType.DIRECTORY,
    )


def order_downloads(downloads: Sequence[Download]) -> list[list[Download]]:
    """Order downloads in waves; within a wave as in the list."""
    waves: list[list[Download]] = []
    latest: dict[str, int] = {}  # wave of the last input with this path
    # Outer directories first.
    for download in sorted(downloads, key=lambda each: len(_lineage(each.path))):
        wave = 1 + max(latest.get(path, -1) for path in _lineage(download.path))
        latest[download.path] = wave
        if wave == len(waves):
            waves.append([])
        waves[wave].append(download)
    return waves


def _lineage(path: str) -> list[str]:
    """Return ``path`` and every directory above it."""
    segments = path.rstrip("/").split("/")
    return ["/".join(segments[:end]) or "/" for end in range(1, len(segments) + 1)]
