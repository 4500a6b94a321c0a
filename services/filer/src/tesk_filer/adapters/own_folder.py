"""Files in TESK's own folder of the task volume, where executors may have put anything."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK


def open_own_file(folder: Path, name: str) -> int:
    """Open the file ``name`` to read and append, and make it if it is missing.

    Args:
        folder: TESK's own; made if it is missing.
        name: Of the file.

    Raises:
        OSError: It cannot be used; it may be what an executor put there.
    """
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, _FLAGS | os.O_CLOEXEC, 0o600, dir_fd=directory)
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileExistsError(errno.EEXIST, "is not a regular file", name)
    return descriptor
