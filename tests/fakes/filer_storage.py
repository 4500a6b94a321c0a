"""A storage in memory with injected faults."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from tesk_filer.ports import (
    NO_CHECKSUMS,
    Advance,
    ChangedError,
    Checksums,
    Cursor,
    Entry,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location

_PAGE = 2  # entries; small, so that every listing has several


class MemoryReader:
    """Yields bytes, and may announce a wrong size."""

    executable = False
    descriptor = None

    def __init__(
        self,
        content: bytes,
        announced: int | None = None,
        etag: str = "",
        checksums: Checksums = NO_CHECKSUMS,
    ) -> None:
        self.size = len(content) if announced is None else announced
        self.etag = etag or str(hash(content))
        self.has_parts = bool(etag)
        self.checksums = checksums
        self._stream = BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._stream.read(size)


@dataclass
class MemoryStorage:
    """Files by url.

    Attributes:
        faults: Raised by the next calls on a url, in order, before it succeeds.
        cuts: The next downloads of a url end after so many bytes.
        announced: Size that is said of a url, if it is not the true one.
        checksums: What is said of a url.
        tells_with_parts: Whether a part comes with the checksums of the whole.
        damages: The next downloads of a url, so many, bring other bytes.
        directories: Urls of empty ones.
        changes: What a url holds from the next downloads on, in order.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[StorageError]] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    announced: dict[str, int] = field(default_factory=dict)
    checksums: dict[str, Checksums] = field(default_factory=dict)
    damages: dict[str, int] = field(default_factory=dict)
    changes: dict[str, list[bytes]] = field(default_factory=dict)
    tells_with_parts: bool = True
    calls: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, _location: Location) -> "MemoryStorage":
        """Be the storage of every location."""
        return self

    def stat(self, location: Location) -> Stat | None:
        url = location.url
        self._begin("stat", url)
        if url in self.files:
            content = self.files[url]
            return Stat(size=len(content), etag=str(hash(content)))
        return Stat(is_directory=True) if self._below(url) else None

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        url = location.url
        self._begin("list", url)
        names = self._below(url)
        if url in self.files:
            raise StorageError("is a file; give the input type FILE")
        if not names:
            raise StorageError("does not exist")
        first = int(cursor[0]) if cursor else 0
        page = names[first : first + _PAGE]
        following = first + _PAGE
        top = url.rstrip("/") + "/"
        return Page(
            [self._entry(top, name) for name in page],
            (str(following), ()) if following < len(names) else (),
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator[MemoryReader]:
        url = location.url
        self._begin("open", url)
        if url not in self.files:
            raise StorageError("does not exist")
        with self.lock:
            content, damaged = self._take(url)
        etag = str(hash(content))
        if known is not None and known.etag not in ("", etag):
            raise ChangedError
        cuts = self.cuts.get(url, [])
        whole = part or Part(0, len(content))
        end = min(whole.stop, cuts.pop(0)) if cuts else whole.stop
        sent = content[whole.start : end]
        if damaged:
            sent = sent[:-1] + bytes([sent[-1] ^ 1])
        announced = self.announced.get(url, len(content))
        checksums = self.checksums.get(url, NO_CHECKSUMS)
        if part and not self.tells_with_parts:
            checksums = NO_CHECKSUMS
        yield MemoryReader(sent, announced, etag, checksums)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        url = location.url
        self._begin("write", url)
        content = b""
        os.lseek(source.descriptor, 0, os.SEEK_SET)
        while data := os.read(source.descriptor, 1024 * 1024):
            content += data
            advance(len(data))
        self.files[url] = content
        return str(hash(content))

    def remove(self, location: Location) -> None:
        url = location.url
        self._begin("remove", url)
        self.files.pop(url, None)

    def make_directory(self, location: Location) -> None:
        url = location.url
        self._begin("make_directory", url)

    def _take(self, url: str) -> tuple[bytes, bool]:
        """Return what a url holds, and whether it is brought with a mistake."""
        if self.changes.get(url):
            self.files[url] = self.changes[url].pop(0)
        damages = self.damages.get(url, 0)
        self.damages[url] = max(damages - 1, 0)
        return self.files[url], damages > 0

    def _begin(self, call: str, url: str) -> None:
        with self.lock:
            self.calls.append((call, url))
            planned = self.faults.get(url, [])
            if planned:
                raise planned.pop(0)

    def _below(self, url: str) -> Sequence[str]:
        top = url.rstrip("/") + "/"
        there = {*self.files, *self.directories}
        return sorted(key[len(top) :] for key in there if key.startswith(top))

    def _entry(self, top: str, name: str) -> Entry:
        if top + name in self.directories:
            return Entry(name=name, is_directory=True)
        content = self.files[top + name]
        return Entry(
            name=name,
            size=self.announced.get(top + name, len(content)),
            etag=str(hash(content)),
        )
