"""Which input is brought when.

Inputs are brought in waves. Within a wave no path lies in another's directory,
so its files may arrive in any order, many at once, and a directory may be
listed while its files arrive. Between waves the rules for overlaps hold: two
directories with one path merge in list order, the last wins, and an input
inside another's directory is placed after it (GA4GH TES 1.1 ``tesInput``,
which leaves overlaps open; users of the older TESK rely on this).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_filer.domain.locations import printable, redact
from tesk_model.paths import normalize
from tesk_model.task import FileType, Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One input and where it goes.

    Attributes:
        field: As TES writes it, e.g. ``inputs[2]``.
        path: Normalized container path.
        url: Where it comes from; "" if ``content`` is the source.
        content: The literal bytes of the file.
        is_directory: Everything below ``url`` goes below ``path``.
    """

    field: str
    path: str
    url: str
    content: bytes
    is_directory: bool

    @property
    def title(self) -> str:
        """Name it for people, without credentials."""
        return title(self.field, self.path, self.url)


def title(field: str, path: str, url: str) -> str:
    """Name a transfer for people, without credentials."""
    where = f"{field} ({printable(path)})"
    return f"{where}: {printable(redact(url))}" if url else where


def plan_downloads(inputs: Sequence[Input]) -> list[list[Download]]:
    """Order inputs in waves; within a wave as in the list."""
    downloads = [_download(index, entry) for index, entry in enumerate(inputs)]
    downloads.sort(key=lambda download: len(_lineage(download.path)))  # outer first
    waves: list[list[Download]] = []
    latest: dict[str, int] = {}  # wave of the last input with this path
    for download in downloads:
        wave = 1 + max(latest.get(path, -1) for path in _lineage(download.path))
        latest[download.path] = wave
        if wave == len(waves):
            waves.append([])
        waves[wave].append(download)
    return waves


def _download(index: int, entry: Input) -> Download:
    # Content wins over url unless it is empty and there is a url.
    url = "" if entry.content else (entry.url or "")
    return Download(
        field=f"inputs[{index}]",
        path=normalize(entry.path),
        url=url,
        content=b"" if url else (entry.content or "").encode(),
        is_directory=entry.type is FileType.DIRECTORY,
    )


def _lineage(path: str) -> list[str]:
    """Return ``path`` and every directory above it."""
    segments = path.rstrip("/").split("/")
    return ["/".join(segments[:end]) or "/" for end in range(1, len(segments) + 1)]
