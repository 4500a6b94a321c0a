"""Compares what files need with what a disk has, and reserves it.

A full disk is told before anything moves, where sizes are known, with both numbers.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

from tesk_filer.ports import StorageError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM})
_BLOCK = 512  # bytes; the unit of st_blocks
_MARGIN = 20  # what a cache leaves free: one of so many parts of the disk


def allocated_bytes(found: os.stat_result) -> int:
    """Return how many bytes of a file have their space on the disk: not its holes."""
    return min(found.st_size, found.st_blocks * _BLOCK)


def free_bytes(descriptor: int) -> int | None:
    """Return the free bytes of the disk of an open file; None if it does not tell."""
    try:
        found = os.fstatvfs(descriptor)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def spare_bytes(folder: Path) -> int | None:
    """Return the free bytes of a disk that a cache may take; None if it does not tell.

    It may be the disk of executors and images: a full one ends them.

    Raises:
        OSError: There is no such folder.
    """
    found = os.statvfs(folder)
    margin = found.f_blocks // _MARGIN
    return (found.f_bavail - margin) * found.f_frsize if found.f_blocks else None


def check_space(
    descriptor: int,
    needed: int,
    describe: Callable[[int, int], str] | None = None,
) -> None:
    """Check that the disk of an open file has ``needed`` free bytes.

    Args:
        descriptor: Of the file, or its folder.
        needed: Bytes.
        describe: Returns the error, from the needed and free bytes; None: that of a
            task volume.

    Raises:
        StorageError: It has fewer.
    """
    free = free_bytes(descriptor)
    if free is not None and needed > free:
        raise StorageError((describe or describe_full)(needed, free))


def describe_full(needed: int | None, free: int | None) -> str:
    """Return the error of a task volume that is full; None: not known."""
    if needed is None or free is None:
        return "no space left for the task's files; ask for more disk_gb, or free space"
    return (
        f"no space left for the task's files: {needed:,} bytes are needed and {free:,} "
        "are free; ask for more disk_gb, or free space"
    )


def describe_full_target(needed: int, free: int | None) -> str:
    """Return the error of a full disk of a ``file://`` url; None: not known."""
    text = f"no space left where it is to be written: {needed:,} bytes are needed"
    return text if free is None else f"{text} and {free:,} are free"


def reserve(descriptor: int, size: int) -> None:
    """Give an empty file its size, and its blocks where the file system can do that.

    fallocate(2) itself: where that is not supported, ``os.posix_fallocate`` of the C
    library writes into every block.

    Raises:
        OSError: There is not enough space.
    """
    os.ftruncate(descriptor, size)
    allocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if allocate is None or not size:
        return
    allocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    while allocate(descriptor, 0, 0, size):
        number = ctypes.get_errno()
        if number == errno.EINTR:
            continue
        if number in _UNSUPPORTED:
            return
        raise OSError(number, os.strerror(number))
