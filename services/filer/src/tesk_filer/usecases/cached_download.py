"""Takes files from a cache, and downloads and keeps those that are not there.

The storage is asked each time, with the credentials of the task, whether the file may be
read and what its content is: so a cache never shows what its reader may not read, nor
anything old.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from tesk_filer.domain.cache_keys import CacheKey, cache_key, is_cacheable
from tesk_filer.ports import (
    ChecksumError,
    Credentials,
    Reader,
    Stat,
    StorageError,
    Storages,
)
from tesk_filer.ports.cache import Cache
from tesk_filer.ports.volume import Saved, Volume
from tesk_filer.usecases.arrivals import Arrived
from tesk_filer.usecases.file_download import FileDownload, has_size
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_model.locations import Location

CACHE = "cache"
"""Stands for the scheme of files that came from the cache."""

_TAG = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedDownload:
    """Satisfies ``DownloadFile``.

    Attributes:
        download: Brings what the cache has not.
        owner: Of the task.
        smallest: Bytes from which on a file is worth a question to its storage.
    """

    download: FileDownload
    cache: Cache
    storages: Storages
    credentials: Credentials
    volume: Volume
    retry: Retry
    progress: TransferProgress
    owner: Callable[[], str]
    smallest: int

    def __call__(self, path: str, source: Location, known: Stat | None = None) -> Stat:
        """See ``DownloadFile``."""
        is_small = known is not None and (known.size or 0) < self.smallest
        if is_small or not is_cacheable(source):
            return self.download(path, source, known)
        there = self.download.find(path, source, known)
        if there is not None:
            return there
        found = self._ask(source)
        if found is not None and found.size is not None and not has_size(known):
            self.progress.learn_size(found.size)
        key = None if found is None else self._key(source, found)
        if found is None or key is None:
            return self.download(path, source, found or known)
        if self._take(key, path, source, found):
            return found
        with self.cache.alone(key, self.retry.check_halted):
            if not self._take(key, path, source, found):
                self._bring(key, path, source, found)
        return found

    def _ask(self, source: Location) -> Stat | None:
        """Return what the storage says of a file; None if the download will say why."""

        def ask() -> Stat | None:
            with self.download.limits.request(source.host):
                return self.storages.of(source).stat(source)

        try:
            return self.retry(ask)
        except StorageError:
            return None

    def _key(self, source: Location, found: Stat) -> CacheKey | None:
        if found.is_directory or found.size is None or found.size < self.smallest:
            return None
        return cache_key(
            source,
            etag=found.etag,
            size=found.size,
            credential=self.credentials.find(source),
            owner=self.owner(),
            is_private=found.is_private,
        )

    def _take(self, key: CacheKey, path: str, source: Location, found: Stat) -> bool:
        """Copy a file from the cache; tell whether it was there, and what it must be."""
        with self.cache.open(key) as reader:
            if reader is None:
                return False
            try:
                saved = self._copy(reader, path, source)
            except ChecksumError as error:
                # Of an entry that is whole a download tells whether the url is wrong, or
                # the entry, which came damaged.
                if error.algorithm in reader.checksums:
                    self.cache.drop(key)
                return False
            except StorageError:
                return False  # a download says what is wrong with the volume
            self.download.record(Arrived(path, source, found, saved))
            return True

    def _copy(self, reader: Reader, path: str, source: Location) -> Saved:
        with self.progress.of_file(CACHE, path=path, url=source) as file_progress:
            file_progress.check(reader.size)
            checks = self.download.checks(source, reader.checksums)
            # What the cache says is verified beside what the user says, and first: it
            # tells whether the entry is whole.
            both = {**reader.checksums, **checks}
            try:
                return self.volume.save(path, reader, file_progress.advance, both)
            except StorageError:
                file_progress.start()  # these bytes do not count
                raise

    def _bring(self, key: CacheKey, path: str, source: Location, found: Stat) -> None:
        arrived = self.download(path, source, found)
        if (arrived.etag, arrived.size) != (found.etag, found.size):
            return  # it changed meanwhile
        private = replace(found, is_private=True)
        if arrived.is_private and self._key(source, private) != key:
            return  # the key is that of others, too
        # The file has arrived, whatever becomes of its copy.
        with suppress(StorageError), self.volume.open(path, _TAG) as file:
            if file.size == key.size:
                self.cache.drop(key)  # what is there was not what the url says
                self.cache.keep(key, file, lambda _: self.retry.check_halted())
