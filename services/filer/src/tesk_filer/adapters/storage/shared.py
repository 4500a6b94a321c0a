"""``file://`` urls of storage that the users of a cluster share.

Users and filer mount it at different paths. Urls below the prefix are mapped to the
mounted folder and cannot leave it; all others are for the allowed folders of this
machine.
"""

import posixpath
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.adapters.storage.small_files import SMALL, open_each
from tesk_filer.adapters.storage.write_checks import untold
from tesk_filer.domain.checks import WriteFound
from tesk_filer.domain.expansion import Limits
from tesk_filer.ports import (
    Advance,
    Cursor,
    Page,
    Part,
    Reader,
    Source,
    Stat,
    Storage,
    StorageError,
)
from tesk_filer.ports.batches import (
    ListedLocation,
    NotBatchedError,
    WriteBatch,
    WritesBatches,
)
from tesk_filer.usecases.checks import ChecksWrites
from tesk_model.locations import Location, parse_location
from tesk_model.paths import is_within
from tesk_runtime.protected_paths import ProtectedPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStorage:
    """Shared storage below a prefix; satisfies ``ports.Storage``.

    Attributes:
        prefix: Absolute path of its urls.
        folder: Where that is mounted.
        shared: Reads and writes below ``folder``, and nowhere else.
        others: For urls elsewhere; None refuses them.
    """

    prefix: str
    folder: str
    shared: Storage
    others: Storage | None

    small = SMALL

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        storage, mapped = self.resolve(location)
        return storage.stat(mapped)

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``."""
        storage, mapped = self.resolve(location)
        return storage.list(mapped, cursor)

    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> AbstractContextManager[Reader]:
        """See ``Storage``."""
        storage, mapped = self.resolve(location)
        return storage.open(mapped, part=part, known=known)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``."""
        storage, mapped = self.resolve(location)
        return storage.write(mapped, source, advance)

    def open_all(
        self, files: Sequence[ListedLocation]
    ) -> Generator[AbstractContextManager[Reader]]:
        """See ``ReadsBatches``."""
        return open_each(self, files)

    @contextmanager
    def batch(self) -> Iterator["_SharedBatch"]:
        """See ``WritesBatches``."""
        with ExitStack() as opened:
            yield _SharedBatch(self.resolve, opened)

    def check_write(self, location: Location) -> WriteFound:
        """See ``ChecksWrites``."""
        storage, mapped = self.resolve(location)
        if isinstance(storage, ChecksWrites):
            return storage.check_write(mapped)
        return untold("it lies in a storage of its own")

    def make_directory(self, location: Location) -> None:
        """See ``Storage``."""
        storage, mapped = self.resolve(location)
        storage.make_directory(mapped)

    def resolve(self, location: Location) -> tuple[Storage, Location]:
        """Return the storage of a location, and the location there.

        Raises:
            StorageError: There is none.
        """
        # Dot segments are removed before the prefix is compared.
        path = posixpath.normpath(f"/{location.path.lstrip('/')}")
        if is_within(path, self.prefix):
            below = path[len(self.prefix.rstrip("/")) :]
            return self.shared, parse_location(self.folder + below)
        if self.others is None:
            raise StorageError(
                f"lies outside the storage that tasks share (file://{self.prefix})"
            )
        return self.others, parse_location(path)


class _SharedBatch:
    """Satisfies ``ports.batches.WriteBatch``."""

    def __init__(
        self,
        resolve: Callable[[Location], tuple[Storage, Location]],
        opened: ExitStack,
    ) -> None:
        self._resolve = resolve
        self._opened = opened
        self._batches: dict[int, WriteBatch] = {}

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        storage, mapped = self._resolve(location)
        batch = self._batches.get(id(storage))
        if batch is None:
            if not isinstance(storage, WritesBatches):
                raise NotBatchedError
            batch = self._opened.enter_context(storage.batch())
            self._batches[id(storage)] = batch
        return batch.write(mapped, source, advance)

    def commit(self) -> None:
        for batch in self._batches.values():
            batch.commit()


def open_shared(
    prefix: str,
    folder: str,
    *,
    others: Storage | None,
    protected: ProtectedPaths | None = None,
    most: int = Limits().files,
) -> SharedStorage:
    """Return the storage of ``file://`` urls where ``folder`` is shared.

    Args:
        prefix: Url or absolute path, as users write it.
        folder: Absolute path where it is mounted here.
        others: For urls elsewhere; None refuses them.
        protected: Protected paths.
        most: See ``LocalStorage``.
    """
    return SharedStorage(
        prefix=posixpath.normpath(f"/{parse_location(prefix).path.lstrip('/')}"),
        folder=folder.rstrip("/"),
        shared=LocalStorage([folder], protected=protected, most=most),
        others=others,
    )
