"""A storage in memory that moves batches, with injected faults."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from fakes.filer_storage import MemoryStorage
from tesk_filer.ports import Advance, Reader, Source, StorageError
from tesk_filer.ports.batches import ListedLocation
from tesk_model.locations import Location


@dataclass
class MemoryBatches(MemoryStorage):
    """Files by url; satisfies ``WritesBatches`` and ``ReadsBatches``, too.

    Attributes:
        small: See there.
        open_faults: What ends the next batches that are read, in order, each after one
            file.
        commits: How many files each commit completed.
        commit_faults: Raised by the next commits, in order, each after it completed one
            file.
    """

    small: int = 1024 * 1024
    open_faults: list[StorageError] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    commit_faults: list[StorageError] = field(default_factory=list)

    def open_all(
        self, files: Sequence[ListedLocation]
    ) -> Generator[AbstractContextManager[Reader]]:
        """See ``ReadsBatches``."""
        fault = self.open_faults.pop(0) if self.open_faults else None
        for location, known in files:
            yield self.open(location, known=known)
            if fault:
                raise fault

    @contextmanager
    def batch(self) -> Iterator["_Batch"]:
        """See ``WritesBatches``."""
        yield _Batch(self)


class _Batch:
    def __init__(self, storage: MemoryBatches) -> None:
        self._storage = storage
        self._written = MemoryStorage(faults=storage.faults)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        return self._written.write(location, source, advance)

    def commit(self) -> None:
        storage, written = self._storage, self._written.files
        with storage.lock:
            fault = storage.commit_faults.pop(0) if storage.commit_faults else None
            done = dict(list(written.items())[:1]) if fault else written
            storage.files |= done
            if fault:
                raise fault
            storage.commits.append(len(done))
