"""Bytes from one descriptor to another, by the kernel where it can.

A copy on the same file system shares blocks (btrfs, XFS) or stays inside the
kernel or the file server; only then are bytes carried through this process.
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
        try:
            moved = os.copy_file_range(
                source, target, min(_KERNEL_CHUNK, size - copied)
            )
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            break
        if moved == 0:
            break
        copied += moved
        advance(moved)
    return copied + _carry(source, target, advance)


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


def _carry(source: int, target: int, advance: Advance) -> int:
    carried = 0
    while data := os.read(source, CHUNK):
        write_all(target, data)
        carried += len(data)
        advance(len(data))
    return carried
