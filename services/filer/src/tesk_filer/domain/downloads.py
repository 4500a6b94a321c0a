"""Plans the order of downloads.

Inputs are downloaded in waves. Within a wave no path lies in another's directory,
so its files may arrive in any order, many at once, and a directory may be
listed while its files arrive. Inputs that overlap come in the order of the task's
list, so the last one wins: a file over a directory, a directory over a file in it, and
directories merge (GA4GH TES 1.1 ``tesInput``, which leaves overlaps open; users of the
older TESK rely on this).
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
    """Order downloads in waves; within a wave as in the list.

    Each comes in the wave after the last of those before it that overlap.
    """
    waves: list[list[Download]] = []
    latest: dict[str, int] = {}  # wave of the last input with this path,
    within: dict[str, int] = {}  # or with one in this directory
    for download in downloads:
        lineage = _lineage(download.path)
        above = max(latest.get(path, -1) for path in lineage)
        wave = 1 + max(above, within.get(download.path, -1))
        latest[download.path] = wave
        within.update((path, max(within.get(path, -1), wave)) for path in lineage)
        if wave == len(waves):
            waves.append([])
        waves[wave].append(download)
    return waves


def _lineage(path: str) -> list[str]:
    """Return ``path`` and every directory above it."""
    segments = path.rstrip("/").split("/")
    return ["/".join(segments[:end]) or "/" for end in range(1, len(segments) + 1)]
