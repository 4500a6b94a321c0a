"""Copies bytes between file descriptors, in the kernel where possible.

A copy on the same file system shares blocks (btrfs, XFS) or stays inside the kernel or
the file server; else, and for small files, bytes are copied by this process. Holes of
the others stay holes: a file of a terabyte may contain a few bytes.
"""

import errno
import fcntl
import os
from collections.abc import Callable

from tesk_filer.adapters.disk_space import allocated_bytes
from tesk_filer.ports import Advance, Unmoved

CHUNK = 1024 * 1024
SMALL = 128 * 1024  # bytes of a file that is not worth a copy by the kernel
_KERNEL_CHUNK = 64 * 1024 * 1024  # between two checks for a stop
_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
# Errors of file systems that cannot copy between these two files.
_UNSUPPORTED = frozenset(
    {
        errno.EBADF,
        errno.EINVAL,
        errno.ENOSYS,
        errno.ENOTTY,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.ETXTBSY,
        errno.EXDEV,
    }
)


def copy_descriptor(
    source: int,
    target: int,
    size: int,
    advance: Advance,
    *,
    check_space: Callable[[int], None] | None = None,
) -> int:
    """Copy ``source`` from its beginning to the empty file ``target``.

    Afterwards both stand at their ends.

    Args:
        source: Open for reading, at offset 0.
        target: Open for writing, at offset 0.
        size: Announced size of the source; more is copied if it has more.
        advance: Called with progress.
        check_space: Called with the bytes that the copy will take from the disk, if
            the file systems do not share them; raises if there are not as many.

    Returns:
        Bytes copied.

    Raises:
        OSError: From the file systems.
    """
    if size <= SMALL:
        return _copy_small(source, target, size, advance)
    if _clone(source, target):
        advance(Unmoved(size))
        os.lseek(source, 0, os.SEEK_END)
        return os.fstat(target).st_size
    if check_space is not None:
        check_space(min(allocated_bytes(os.fstat(source)), size))
    copied = 0
    while copied < size:
        start, end = _next_data(source, copied, size)
        if end == copied:
            break  # it is shorter than announced
        advance(Unmoved(start - copied))  # a hole
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(target, start, os.SEEK_SET)
        moved = _copy_range(source, target, end - start, advance)
        copied = start + moved
        if moved < end - start:
            break
    if copied > os.fstat(target).st_size:
        os.ftruncate(target, copied)  # a hole at the end
        os.lseek(target, copied, os.SEEK_SET)
    os.lseek(source, copied, os.SEEK_SET)
    return copied + _read_and_write(source, target, advance)


def _copy_small(source: int, target: int, size: int, advance: Advance) -> int:
    data = read_small(source, size)
    write_all(target, data)
    if data:
        advance(len(data))
    if len(data) == size:
        return size
    return len(data) + _read_and_write(source, target, advance)


def read_small(source: int, size: int) -> bytes:
    """Return the first bytes of a regular file of ``size`` bytes, by one call.

    That are exactly so many if it has not changed, and then it has no more.
    """
    return os.read(source, size + 1)


def _next_data(source: int, offset: int, size: int) -> tuple[int, int]:
    """Return where data begins at or after ``offset``, and where it ends."""
    try:
        start = os.lseek(source, offset, os.SEEK_DATA)
        end = os.lseek(source, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == errno.ENXIO:  # only a hole up to the end
            end = os.fstat(source).st_size
            return max(offset, min(end, size)), max(offset, min(end, size))
        if error.errno in _UNSUPPORTED:
            return offset, size
        raise
    return min(start, size), min(end, size)


def _copy_range(source: int, target: int, size: int, advance: Advance) -> int:
    copied = 0
    while copied < size:
        wanted = min(_KERNEL_CHUNK, size - copied)
        try:
            moved = os.copy_file_range(source, target, wanted)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            return copied + _read_and_write(
                source, target, advance, limit=size - copied
            )
        if moved == 0:
            # Some virtual file systems (proc, sys) copy nothing this way.
            return copied + _read_and_write(
                source, target, advance, limit=size - copied
            )
        copied += moved
        advance(moved)
    return copied


def write_all(target: int, data: bytes) -> None:
    """Write all of ``data``."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def _read_and_write(
    source: int, target: int, advance: Advance, *, limit: int | None = None
) -> int:
    copied = 0
    while limit is None or copied < limit:
        wanted = CHUNK if limit is None else min(CHUNK, limit - copied)
        data = os.read(source, wanted)
        if not data:
            break
        write_all(target, data)
        copied += len(data)
        advance(len(data))
    return copied
