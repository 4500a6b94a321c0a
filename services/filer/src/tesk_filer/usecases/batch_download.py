"""Downloads small files together, where a storage gives them so for less.

What each costs beside its copy, as its line in the manifest, is done once for all of
them. A file that cannot be brought is left over: by itself it is tried again, and says
what is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from tesk_filer.ports import Reader, Stat, StorageError
from tesk_filer.ports.batches import NotBatchedError, ReadsBatches
from tesk_filer.usecases.arrivals import Arrived
from tesk_filer.usecases.file_download import FileDownload, has_size
from tesk_filer.usecases.file_progress import FileProgress
from tesk_model.locations import Location


class ListedFile(NamedTuple):
    """A file, where it goes, and what a listing says of it."""

    path: str
    source: Location
    known: Stat


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the files of a batch.

    Attributes:
        left: Those that must be brought by themselves.
        sizes: Bytes of the others, by path.
    """

    left: Sequence[ListedFile]
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BatchDownload:
    """Downloads batches; safe for many threads.

    Attributes:
        download: Brings files by themselves, and records those that are there.
    """

    download: FileDownload

    def largest(self, source: Location) -> int:
        """Return the bytes of the largest file that comes in a batch from ``source``.

        -1: none does.
        """
        storage = self._batches_of(source)
        return -1 if storage is None else storage.small

    def __call__(self, files: Sequence[ListedFile]) -> BatchResult:
        """Bring files of one scheme.

        Raises:
            HaltedError: The transfer was stopped.
        """
        there = [(file, self.download.find(*file)) for file in files]
        missing = [file for file, found in there if found is None]
        sizes = {file.path: found.size or 0 for file, found in there if found}
        arrived: list[Arrived] = []
        # How large others are is not known, so they may be none of the small ones.
        sized = [file for file in missing if has_size(file.known)]
        try:
            if sized:
                self._bring_all(sized, arrived)
        finally:
            self.download.record(*arrived)
        sizes.update((file.path, file.saved.size) for file in arrived)
        left = [file for file in missing if file.path not in sizes]
        return BatchResult(left, sizes)

    def _bring_all(
        self,
        files: Sequence[ListedFile],
        arrived: list[Arrived],
    ) -> None:
        first = files[0]
        with self.download.progress.of_batch(
            first.source.scheme, path=first.path, url=first.source
        ) as progress:
            # What ends all of it is no end of each: it is tried by itself.
            with suppress(StorageError), self._opened(files) as openings:
                for file, opening in zip(files, openings, strict=True):
                    saved = self._bring(file, opening, progress)
                    if saved is not None:
                        arrived.append(saved)
            progress.files = len(arrived)

    @contextmanager
    def _opened(
        self, files: Sequence[ListedFile]
    ) -> Iterator[Iterator[AbstractContextManager[Reader]]]:
        source = files[0].source
        storage = self._batches_of(source)
        if storage is None:
            raise NotBatchedError
        wanted = [(file.source, file.known) for file in files]
        with (
            self.download.limits.request(source.host),
            closing(storage.open_all(wanted)) as openings,
        ):
            yield openings

    def _batches_of(self, source: Location) -> ReadsBatches | None:
        storage = self.download.storages.of(source)
        return storage if isinstance(storage, ReadsBatches) else None

    def _bring(
        self,
        file: ListedFile,
        opening: AbstractContextManager[Reader],
        progress: FileProgress,
    ) -> Arrived | None:
        """Bring a file; None: it cannot be brought in this way."""
        download, (path, source, _) = self.download, file
        before = progress.bytes
        try:
            with opening as reader:
                download.progress.check(reader.size)
                checks = download.checks(source, reader.checksums)
                saved = download.volume.save(path, reader, progress.advance, checks)
                said = Stat(etag=reader.etag, checksums=reader.checksums)
        except StorageError:
            progress.add(before - progress.bytes)
            return None
        return Arrived(path, source, said, saved)
