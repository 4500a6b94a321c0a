"""Puts what has arrived in a task volume on its disk."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tesk_filer.adapters.file_system_sync import write_file_system
from tesk_filer.adapters.volume_errors import unwritable
from tesk_filer.ports import StorageError


@contextmanager
def open_volume_sync(
    folder: Path, write: Callable[[int], object] = write_file_system
) -> Iterator[Callable[[], None]]:
    """Yield what writes the file system of a volume to its disk.

    It is told once of what could not be written since the block began, also to the disk
    by the kernel's own doing; so nobody else may use its open folder.

    Args:
        folder: Of the volume.
        write: See ``write_file_system``.

    Raises:
        StorageError: The folder cannot be opened; so does what is yielded, if something
            could not be written.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise unwritable(error) from error
    try:
        yield partial(_sync, descriptor, write)
    finally:
        os.close(descriptor)


def _sync(descriptor: int, write: Callable[[int], object]) -> None:
    try:
        write(descriptor)
    except OSError as error:
        # Of a disk that others use it may be their file, and it is told once.
        is_passing = error.errno == errno.EIO
        raise StorageError(unwritable(error).message, transient=is_passing) from error
