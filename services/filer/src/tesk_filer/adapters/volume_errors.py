"""Says what an error of the system means for a file of the task volume."""

import errno

from tesk_filer.adapters.disk_space import FULL, describe_full
from tesk_filer.ports import StorageError

# Errors for a path that does not exist.
ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def unreadable(error: OSError) -> StorageError:
    """Return why a file cannot be read."""
    if error.errno == errno.EACCES:
        return StorageError(
            "cannot be read: only the user of the executor may read it; "
            "let it set the mode of its outputs (chmod a+rX)"
        )
    return StorageError(f"cannot be read from the task's files: {error.strerror}")


def unwritable(
    error: OSError, needed: int | None = None, free: int | None = None
) -> StorageError:
    """Return why a file cannot be written.

    Args:
        error: Of the system.
        needed: Bytes of the file, if known.
        free: Free bytes of the disk, if known.
    """
    if error.errno in FULL:
        return StorageError(describe_full(needed, free))
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return StorageError(
            "a file and a directory would have the same path in the task: "
            f"{error.strerror}"
        )
    return StorageError(f"cannot be written to the task's files: {error.strerror}")
