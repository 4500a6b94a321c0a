"""Creates the files that arrive under a temporary name, and finds them again."""

import errno
import os
import stat

from tesk_filer.ports import HaltedError, StorageError

_TEMPORARY = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def create(temporary: str, directory: int) -> int:
    """Create a temporary file, or empty the one that a killed filer left."""
    try:
        return os.open(temporary, _TEMPORARY | os.O_TRUNC, 0o666, dir_fd=directory)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    os.unlink(temporary, dir_fd=directory)  # a link
    return os.open(temporary, _TEMPORARY | os.O_EXCL, 0o666, dir_fd=directory)


def reopen(temporary: str, directory: int, size: int, stamp: str) -> int | None:
    """Open the temporary file with ``stamp`` if it is still there."""
    if not stamp:
        return None
    try:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, dir_fd=directory)
    except OSError:
        return None
    found = os.fstat(descriptor)
    is_same = f"{found.st_ino:x}" == stamp and found.st_size == size
    if is_same and stat.S_ISREG(found.st_mode):
        return descriptor
    os.close(descriptor)
    return None


def may_go_on(error: BaseException) -> bool:
    """Tell whether a transfer that ends with ``error`` may go on later."""
    if isinstance(error, StorageError):
        return error.transient and not error.begins_anew
    return isinstance(error, HaltedError)
