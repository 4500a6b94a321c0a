"""Downloads single files: as one stream or in parts, verified, and anew if need be."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from tesk_filer.domain.checksums import choose_checks
from tesk_filer.domain.parts import cut
from tesk_filer.ports import (
    ChangedError,
    ChecksumError,
    Part,
    Reader,
    Stat,
    Storage,
    StorageError,
    Storages,
)
from tesk_filer.ports.volume import Checks, Volume
from tesk_filer.usecases.large_download import Helpers, LargeDownload, LargeFile
from tesk_filer.usecases.part_queue import PartQueue
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import FileProgress, TransferProgress
from tesk_model.locations import Location

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
        computed: Digests that are wanted of every file.
    """

    storages: Storages
    volume: Volume
    retry: Retry
    progress: TransferProgress
    helpers: Helpers
    parts_from: int
    computed: Iterable[str] = ()

    def __call__(self, path: str, source: Location, known: Stat | None = None) -> None:
        """Download ``source`` to ``path``.

        Args:
            path: Container path.
            source: A file.
            known: What a listing said of it.

        Raises:
            StorageError: It cannot be downloaded.
            HaltedError: The transfer was stopped.
        """
        scheme, shown = source.scheme, str(source)
        with self.progress.of_file(scheme, path=path, url=shown) as file_progress:
            self._receive_anew(_Incoming(path, source, file_progress), known)

    def _receive_anew(self, incoming: "_Incoming", known: Stat | None) -> None:
        """Receive a file; begin it anew once for each kind of error that asks for it."""
        seen: set[type[StorageError]] = set()
        while True:
            try:
                return self._receive(incoming, known)
            except (ChangedError, ChecksumError) as error:
                kind = type(error)
                if kind in seen:
                    message = f"{error.message}, twice{_ANEW[kind]}"
                    raise StorageError(message) from error
                seen.add(kind)
                known = None

    def _receive(self, incoming: "_Incoming", known: Stat | None) -> None:
        storage = self.storages.of(incoming.source)
        large = self.retry(partial(self._begin, incoming, storage, known))
        if large is not None:
            self._receive_parts(incoming, storage, large)

    def _begin(
        self, incoming: "_Incoming", storage: Storage, known: Stat | None
    ) -> "_Opened | None":
        """Bring a file by one stream; return a large one as it was opened."""
        incoming.progress.start()
        with ExitStack() as stack:
            opened = storage.open(incoming.source, known=known)
            reader = stack.enter_context(opened)
            incoming.progress.check(reader.size)
            if self._comes_in_parts(reader):
                return _Opened(reader, stack.pop_all())
            checks = self._checks(incoming, reader)
            self.volume.save(incoming.path, reader, incoming.progress.advance, checks)
        return None

    def _comes_in_parts(self, reader: Reader) -> bool:
        return (
            reader.has_parts
            and reader.descriptor is None
            and reader.size is not None
            and reader.size >= max(self.parts_from, 1)
        )

    def _receive_parts(
        self, incoming: "_Incoming", storage: Storage, opened: "_Opened"
    ) -> None:
        reader = opened.reader
        size = reader.size or 0
        with opened.stack, self.volume.begin_parts(incoming.path, size) as arriving:
            file = LargeFile(
                storage=storage,
                source=incoming.source,
                known=Stat(size=size, etag=reader.etag),
                arriving=arriving,
                progress=incoming.progress,
                arrived=lambda _: None,
            )
            queue = PartQueue(Part(start, stop) for start, stop in cut(size))
            LargeDownload(file, queue, self.retry, self.helpers).run(opened, 0)
            arriving.finish(
                self._checks(incoming, reader),
                incoming.progress.advance,
                executable=reader.executable,
            )

    def _checks(self, incoming: "_Incoming", reader: Reader) -> Checks:
        asked = incoming.source.checksums
        return choose_checks(asked, reader.checksums, self.computed)


@dataclass(frozen=True, slots=True)
class _Incoming:
    path: str
    source: Location
    progress: FileProgress


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open file; leaving it closes it."""

    reader: Reader
    stack: ExitStack

    def __enter__(self) -> Reader:
        return self.reader

    def __exit__(self, *_: object) -> None:
        self.stack.close()
