"""Bytes from one descriptor to another, by the kernel where it can.

A copy on the same file system shares blocks (btrfs, XFS) or stays inside the
kernel or the file server; only then are bytes carried through this process.
Holes stay holes: a file of a terabyte may hold a few bytes.
"""

import errno
import fcntl
import os

from tesk_filer.ports import Advance

CHUNK = 1024 * 1024
_KERNEL_CHUNK = 64 * 1024 * 1024  # how often a stop is noticed
_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
# What file systems say when they cannot copy this pair by themselves.
_CANNOT = frozenset(
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


def copy_descriptor(source: int, target: int, size: int, advance: Advance) -> int:
    """Copy ``source`` from its beginning to the empty file ``target``.

    Args:
        source: Open for reading, at offset 0.
        target: Open for writing, at offset 0.
        size: What the source says its size is; more is copied if there is more.
        advance: Told of progress.

    Returns:
        Bytes copied.

    Raises:
        OSError: From the file systems.
    """
    if size and _clone(source, target):
        advance(size)
        return os.fstat(target).st_size
    copied = 0
    while copied < size:
        start, end = _next_data(source, copied, size)
        if end == copied:
            break  # it is shorter than its size was said to be
        advance(start - copied)  # a hole
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
    return copied + _carry(source, target, advance)


def _next_data(source: int, offset: int, size: int) -> tuple[int, int]:
    """Return where data begins at or after ``offset``, and where it ends."""
    try:
        start = os.lseek(source, offset, os.SEEK_DATA)
        end = os.lseek(source, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end
            end = os.fstat(source).st_size
            return max(offset, min(end, size)), max(offset, min(end, size))
        if error.errno in _CANNOT:
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
            if error.errno not in _CANNOT:
                raise
            return copied + _carry(source, target, advance, limit=size - copied)
        if moved == 0:
            # Some file systems of the kernel (proc, sys) copy nothing this way.
            return copied + _carry(source, target, advance, limit=size - copied)
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
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _carry(
    source: int, target: int, advance: Advance, *, limit: int | None = None
) -> int:
    carried = 0
    while limit is None or carried < limit:
        wanted = CHUNK if limit is None else min(CHUNK, limit - carried)
        data = os.read(source, wanted)
        if not data:
            break
        write_all(target, data)
        carried += len(data)
        advance(len(data))
    return carried
