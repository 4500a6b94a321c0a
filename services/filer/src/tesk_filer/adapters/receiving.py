"""Receives a file as one stream, by a copy in the kernel where that is faster."""

from functools import partial

from tesk_filer.adapters.copying import CHUNK, SMALL, copy_descriptor, write_all
from tesk_filer.adapters.digests import Digests
from tesk_filer.adapters.disk_space import check_space
from tesk_filer.ports import Advance, Reader, StorageError

_LARGE = 1024 * 1024  # bytes of a file for which there may be no space


def receive(reader: Reader, target: int, advance: Advance, digests: Digests) -> int:
    """Write all bytes of ``reader`` to the empty file ``target``; return how many.

    Raises:
        StorageError: They cannot be read, or there is not enough space.
        OSError: They cannot be written.
    """
    size = reader.size or 0
    if reader.descriptor is not None and (size > SMALL or not digests):
        checked = partial(check_space, target)
        size = copy_descriptor(
            reader.descriptor, target, size, advance, check_space=checked
        )
        size += len(reader.read(1))  # at its end it tells whether it has changed
        if digests:
            digests.read(target, advance)
        return size
    if size > _LARGE:
        check_space(target, size)
    arrived = 0
    while data := reader.read(_next_size(reader.size, arrived)):
        write_all(target, data)
        digests.update(data)
        arrived += len(data)
        advance(len(data))
    return arrived


def _next_size(announced: int | None, arrived: int) -> int:
    """Return how many bytes to read: of a small file one more than there should be.

    A buffer of a whole chunk for each costs more than the copy.
    """
    if announced is None or arrived > announced:
        return CHUNK
    return min(CHUNK, announced - arrived + 1)


def check_size(announced: int | None, arrived: int) -> None:
    """Raise StorageError if a file does not have the announced size."""
    if announced is not None and arrived != announced:
        message = f"{arrived} of {announced} bytes arrived"
        raise StorageError(message, transient=True)
