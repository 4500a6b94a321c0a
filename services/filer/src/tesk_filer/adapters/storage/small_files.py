"""Small files of storages that have no way of their own to open many together.

They gain by company all the same: to hand a file of this machine to a thread costs as
much as to copy it.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from tesk_filer.ports import Reader, Storage
from tesk_filer.ports.batches import ListedLocation

SMALL = 1024 * 1024
"""Bytes of the largest such file."""


def open_each(
    storage: Storage, files: Sequence[ListedLocation]
) -> Generator[AbstractContextManager[Reader]]:
    """Open files one after another; see ``ReadsBatches.open_all``."""
    for location, known in files:
        yield _later(partial(storage.open, location, known=known))


@contextmanager
def _later(opening: Callable[[], AbstractContextManager[Reader]]) -> Iterator[Reader]:
    """Open when entered: what is wrong with one file is no matter of the others."""
    with opening() as reader:
        yield reader
