"""Writes a file of this machine under a temporary name, beside the one it will have."""

import errno
import os
from contextlib import suppress

from tesk_filer.adapters.copying import copy_descriptor
from tesk_filer.adapters.disk_space import (
    check_space,
    describe_full_target,
    free_bytes,
)
from tesk_filer.adapters.temporary_names import temporary_name
from tesk_filer.ports import Advance, Source, StorageError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags that open a folder to read or sync it."""

_TEMPORARY = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def write_temporary(
    directory: int, name: str, source: Source, advance: Advance, *, synced: bool
) -> str:
    """Write the bytes of ``source``; return the temporary name.

    Args:
        directory: Open folder.
        name: Of the file later.
        source: What to write.
        advance: Called with progress.
        synced: It is on the disk when this returns.

    Raises:
        StorageError: The source has changed, or the disk is full.
        OSError: It cannot be written. Nothing is left.
    """
    temporary = temporary_name(name, source.tag)
    mode = 0o777 if source.executable else 0o666  # less the umask
    target = os.open(temporary, _TEMPORARY, mode, dir_fd=directory)
    try:
        try:
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            size = copy_descriptor(
                source.descriptor,
                target,
                source.size,
                advance,
                check_space=lambda needed: check_space(
                    directory, needed, describe_full_target
                ),
            )
            if size != source.size:
                message = (
                    f"changed while it was copied: {size} bytes, not {source.size}"
                )
                raise StorageError(message, transient=True)
            if synced:
                os.fsync(target)
        finally:
            os.close(target)
    except BaseException as error:
        # Before it is removed, which frees what it took.
        free = free_bytes(directory)
        remove(directory, temporary)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            message = describe_full_target(source.size, free)
            raise StorageError(message) from error
        raise
    return temporary


def replace(directory: int, temporary: str, name: str) -> None:
    """Give a temporary file its name; if that fails, nothing is left.

    Raises:
        OSError: From the file system.
    """
    try:
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        remove(directory, temporary)
        raise


def remove(directory: int, temporary: str) -> None:
    """Remove a temporary file, if that is possible."""
    with suppress(OSError):
        os.unlink(temporary, dir_fd=directory)


def sync_folder(directory: int) -> None:
    """Make the names in an open folder durable, if it may be read.

    Raises:
        OSError: From the file system.
    """
    try:
        descriptor = os.open(".", FOLDER, dir_fd=directory)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
