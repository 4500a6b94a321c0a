"""Downloads single files: as one stream or in parts, verified, and anew if need be."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from tesk_filer.domain.checksums import choose_checks
from tesk_filer.domain.digest_list import ALGORITHM, DigestList
from tesk_filer.domain.far_hosts import widening_of
from tesk_filer.domain.parts import cut
from tesk_filer.ports import (
    ChangedError,
    ChecksumError,
    Checksums,
    Part,
    Reader,
    Stat,
    Storage,
    StorageError,
    Storages,
)
from tesk_filer.ports.manifest import Begun, Manifest, NoManifest
from tesk_filer.ports.readers import Redirects
from tesk_filer.ports.volume import Checks, PartialFile, Saved, Volume
from tesk_filer.usecases.arrivals import Arrived
from tesk_filer.usecases.file_progress import FileProgress
from tesk_filer.usecases.identity_log import IdentityLog
from tesk_filer.usecases.large_download import Helpers, LargeDownload, LargeFile
from tesk_filer.usecases.load_limits import HostLimits
from tesk_filer.usecases.part_queue import PartQueue
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_model.locations import Location


class DownloadFile(Protocol):
    """Brings one file of a storage into the volume; safe for many threads."""

    def __call__(self, path: str, source: Location, known: Stat | None = None) -> Stat:
        """See ``FileDownload``."""


_ANEW = {
    ChangedError: "; see that it is complete before the task begins",
    ChecksumError: "; what the storage holds may be damaged",
}
"""Errors after which a file begins anew, once; and what is said the second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDownload:
    """Downloads one file after the other; safe for many threads.

    Attributes:
        parts_from: Bytes from which on a file may come in parts.
        digests: Takes the digest of every file; None: not wanted.
        identities: Takes what each file was.
    """

    storages: Storages
    volume: Volume
    retry: Retry
    progress: TransferProgress
    helpers: Helpers
    limits: HostLimits
    parts_from: int
    identities: IdentityLog
    digests: DigestList | None = None
    manifest: Manifest = field(default_factory=NoManifest)

    def __call__(self, path: str, source: Location, known: Stat | None = None) -> Stat:
        """Download ``source`` to ``path``, unless an earlier filer has.

        Args:
            path: Container path.
            source: A file.
            known: What a listing said of it.

        Raises:
            StorageError: It cannot be downloaded.
            HaltedError: The transfer was stopped.

        Returns:
            Size, ETag and checksums of what arrived; no ETag if it was there.
        """
        there = self.find(path, source, known)
        if there is not None:
            return there
        with self.progress.of_file(
            source.scheme, path=path, url=source, is_sized=has_size(known)
        ) as file_progress:
            storage = self.storages.of(source)
            incoming = _Incoming(path, source, storage, file_progress)
            self._receive_anew(incoming, known)
        return incoming.arrived

    def find(self, path: str, source: Location, known: Stat | None) -> Stat | None:
        """Return the size of a file that an earlier filer has brought, as it is now."""
        moved = self.manifest.moved(path, source.url_of_user)
        if moved is None or not self._is_in_place(path, moved.stamp):
            return None
        if known is not None and known.etag not in ("", moved.etag):
            return None  # it was exchanged meanwhile
        if self.digests is not None:
            if ALGORITHM not in moved.digests:
                return None
            self.digests.add(path, moved.digests[ALGORITHM])
        if not has_size(known):
            self.progress.learn_size(moved.size)
        self.progress.resume(1, moved.size)
        self.identities.add(path, source, size=moved.size, identity=moved.identity)
        return Stat(size=moved.size)

    def _is_in_place(self, path: str, stamp: str) -> bool:
        """Tell whether a file that came is there, or what came over it."""
        there = self.volume.stamp(path)
        return stamp == there or self.manifest.is_of_later_wave(path, there)

    def _receive_anew(self, incoming: "_Incoming", known: Stat | None) -> None:
        """Receive a file; begin it anew once for each kind of error that asks for it."""
        begun = self.manifest.begun(incoming.path, incoming.source.url_of_user)
        seen: set[type[StorageError]] = set()
        while True:
            try:
                return self._receive(incoming, known, begun)
            except (ChangedError, ChecksumError) as error:
                kind = type(error)
                if kind in seen:
                    message = f"{error.message}, twice{_ANEW[kind]}"
                    raise StorageError(message) from error
                seen.add(kind)
                known = begun = None

    def _receive(
        self, incoming: "_Incoming", known: Stat | None, begun: Begun | None
    ) -> None:
        if begun is not None:
            known = Stat(size=begun.size, etag=begun.etag, checksums=begun.checksums)
        left = None if begun is None else _parts_left(begun)
        rest = Part(left[0].start, begun.size) if begun and left else None
        opened = self.retry(partial(self._begin, incoming, known, rest))
        if opened is not None:
            self._receive_parts(incoming, opened, begun, left or [])

    def _begin(
        self, incoming: "_Incoming", known: Stat | None, rest: Part | None
    ) -> "_Opened | None":
        """Bring a file by one stream; return a large one as it was opened."""
        incoming.progress.start()
        with ExitStack() as stack:
            opened = self._open(incoming, known, rest)
            reader = stack.enter_context(opened)
            incoming.arrived = Stat(
                size=reader.size,
                etag=reader.etag,
                checksums=reader.checksums or (known or Stat()).checksums,
            )
            if in_parts := rest is not None or self._comes_in_parts(reader):
                incoming.progress.reserve(reader.size or 0)  # soon it is
            incoming.progress.announce(reader.size)
            if rest is not None and reader.size != rest.stop:
                raise ChangedError
            if in_parts:
                return _Opened(reader, rest.start if rest else 0, stack.pop_all())
            checks = self.checks(incoming.source, incoming.arrived.checksums)
            saved = self.volume.save(
                incoming.path, reader, incoming.progress.advance, checks
            )
        self._record(incoming, saved)
        return None

    @contextmanager
    def _open(
        self, incoming: "_Incoming", known: Stat | None, part: Part | None
    ) -> Iterator[Reader]:
        source = incoming.source
        widening = widening_of(source.scheme, known.size if known else None)
        with (
            self.limits.request(source.host, widening) as responded,
            incoming.storage.open(source, part=part, known=known) as reader,
        ):
            responded()
            if isinstance(reader, Redirects) and reader.is_private:
                incoming.is_private = True
            yield reader

    def _comes_in_parts(self, reader: Reader) -> bool:
        return (
            reader.has_parts
            and reader.descriptor is None
            and reader.size is not None
            and reader.size >= max(self.parts_from, 1)
        )

    def _receive_parts(
        self,
        incoming: "_Incoming",
        opened: "_Opened",
        begun: Begun | None,
        left: list[Part],
    ) -> None:
        path, content = incoming.path, incoming.arrived
        url = incoming.source.url_of_user
        size = content.size or 0
        beginning = self.volume.begin_parts(
            path,
            size,
            resumed=begun.stamp if begun else "",
            renew=partial(self.manifest.begin, path, url, content),
        )
        with opened, beginning as arriving:
            parts = left if arriving.is_resumed else [Part(*at) for at in cut(size)]
            # Where it was led an earlier filer may have sent any credential.
            was_led = arriving.is_resumed and isinstance(opened.reader, Redirects)
            incoming.is_private = incoming.is_private or was_led
            there = size - sum(part.stop - part.start for part in parts)
            incoming.progress.resume(there)
            incoming.progress.reserve(max(arriving.reserved - there, 0))
            file = self._large_file(incoming, content, arriving)
            LargeDownload(file, PartQueue(parts), self.retry, self.helpers).run(
                opened, opened.position
            )
            saved = arriving.finish(
                self.checks(incoming.source, content.checksums),
                incoming.progress.advance,
                executable=opened.reader.executable,
            )
        self._record(incoming, saved)

    def _large_file(
        self, incoming: "_Incoming", content: Stat, arriving: PartialFile
    ) -> LargeFile:
        path, url = incoming.path, incoming.source.url_of_user

        def record(part: Part) -> None:
            self.manifest.add_part(path, url, part, arriving.stamp)

        return LargeFile(
            size=content.size or 0,
            open=partial(self._open, incoming, content),
            arriving=arriving,
            progress=incoming.progress,
            arrived=record,
        )

    def checks(self, source: Location, stored: Checksums) -> Checks:
        """Return the digests to compute of a file, and what they must be."""
        computed = () if self.digests is None else (ALGORITHM,)
        return choose_checks(source.checksums, stored, computed)

    def _record(self, incoming: "_Incoming", saved: Saved) -> None:
        said = incoming.arrived
        self.record(Arrived(incoming.path, incoming.source, said, saved))
        # Not every storage tells it before.
        incoming.arrived = replace(
            said, size=saved.size, is_private=incoming.is_private
        )

    def record(self, *files: Arrived) -> None:
        """Note files that arrived, for a later filer of this transfer and the log."""
        moved = [file.moved() for file in files]
        self.manifest.add_all(
            (file.path, file.source.url_of_user, each)
            for file, each in zip(files, moved, strict=True)
        )
        for (path, source, _, saved), each in zip(files, moved, strict=True):
            self.identities.add(path, source, size=each.size, identity=each.identity)
            if self.digests is not None:
                self.digests.add(path, saved.digests[ALGORITHM])


@dataclass(slots=True)
class _Incoming:
    path: str
    source: Location
    storage: Storage
    progress: FileProgress
    arrived: Stat = field(default_factory=Stat)
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open file that stands at ``position``; leaving it closes it."""

    reader: Reader
    position: int
    stack: ExitStack

    def __enter__(self) -> Reader:
        return self.reader

    def __exit__(self, *_: object) -> None:
        self.stack.close()


def _parts_left(begun: Begun) -> list[Part]:
    """Return the parts that have not arrived; the last one at least.

    A file of which all have arrived is opened as well: it says what it must be.
    """
    there = {(part.start, part.stop) for part in begun.parts}
    whole = list(cut(begun.size))
    left = [Part(*bounds) for bounds in whole if bounds not in there]
    return left or [Part(*whole[-1])]


def has_size(known: Stat | None) -> bool:
    """Tell whether a download was planned with its size."""
    return known is not None and known.size is not None
