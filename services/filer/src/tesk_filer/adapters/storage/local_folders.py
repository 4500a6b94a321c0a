"""Opens files of folders of this machine, each of which is checked once.

Thousands of files of one folder need one resolution of its path and one walk. Each time
the path must still lead to the folder that was checked; else it is checked anew.
"""

import errno
import os
from functools import partial

from tesk_filer.adapters.open_directories import OpenDirectories
from tesk_filer.adapters.storage.local_access import LocalAccess, Target
from tesk_filer.ports import StorageError

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_KNOWN = 1000
_RESOLVED_ANEW = frozenset(
    {errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
)


class LocalFolders:
    """Keeps the folders that were used last open."""

    def __init__(self, access: LocalAccess) -> None:
        """Open what ``access`` allows."""
        self._access = access
        self._opened = OpenDirectories()
        self._targets: dict[str, Target] = {}

    def open(self, path: str) -> tuple[int, os.stat_result]:
        """Open a file for reading; return its descriptor, and its status.

        Raises:
            StorageError: It may not be used.
            OSError: From the file system.
        """
        above, _, name = path.rpartition("/")
        if above and name not in ("", ".", ".."):
            try:
                return self._open_in(above, name)
            except OSError as error:
                if error.errno not in _RESOLVED_ANEW:
                    raise
        target = self._access.resolve(path)
        with self._access.parent(target) as (directory, last):
            descriptor = os.open(last, _FLAGS, dir_fd=directory)
        return descriptor, os.fstat(descriptor)

    def _open_in(self, above: str, name: str) -> tuple[int, os.stat_result]:
        status = os.stat(above)  # noqa: PTH116 - for each file
        key = f"{status.st_dev:x}:{status.st_ino:x}:{above}"
        with self._opened.use(key, partial(self._open_folder, above, key)) as folder:
            descriptor = os.open(name, _FLAGS, dir_fd=folder)
        try:
            found = os.fstat(descriptor)
            folder_target = self._targets.get(key) or self._access.resolve(above)
            self._access.below(folder_target, name, found)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, found

    def _open_folder(self, above: str, key: str) -> int:
        """Open a folder after all checks; ENOENT: it is not for use as a whole."""
        try:
            target = self._access.resolve(above)
        except StorageError as error:
            raise FileNotFoundError(errno.ENOENT, error.message) from error
        # The last segment, ".", is the folder itself once more.
        own = target.own_until + (target.own_until == target.path.count("/"))
        inside = Target(f"{target.path}/.", own)
        with self._access.parent(inside) as (directory, _):
            found = os.fstat(directory)
            if not key.startswith(f"{found.st_dev:x}:{found.st_ino:x}:"):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            if len(self._targets) >= _MAX_KNOWN:
                self._targets.clear()
            self._targets[key] = target
            return os.dup(directory)
