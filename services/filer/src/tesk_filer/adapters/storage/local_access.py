"""Checks and opens paths of this machine.

A path is resolved first; the result is checked, and then walked folder by folder
without following links. Each folder on the way is checked by identity, so that a
protected path cannot be reached by another name.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tesk_filer.adapters.storage.directory_targets import (
    IS_DIRECTORY,
    directory_in_the_way,
)
from tesk_filer.ports import StorageError
from tesk_model.paths import is_within
from tesk_runtime.protected_paths import ProtectedPaths, format_refusal

# Walking through a folder needs the right to search only.
_PATH_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class ProtectedError(StorageError):
    """The path is protected."""


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved path.

    Attributes:
        own_until: Number of first segments that may be this program's own code.
    """

    path: str
    own_until: int = 0


class LocalAccess:
    """The allowed folders, without the protected paths in them."""

    def __init__(
        self,
        roots: Sequence[str],
        *,
        read_roots: Sequence[str],
        protected: ProtectedPaths,
    ) -> None:
        """See ``LocalStorage``."""
        self._roots = [os.path.realpath(root) for root in roots if root]
        self._read_roots = [os.path.realpath(root) for root in read_roots if root]
        self._protected = protected

    def resolve(self, path: str, *, write: bool = False) -> Target:
        """Return the real path behind ``path``.

        Raises:
            StorageError: It lies outside the allowed folders.
            ProtectedError: Its name is protected.
        """
        try:
            real = os.path.realpath(path)
        except OSError as error:
            raise explain(error) from error
        allowed = self._roots if write else [*self._roots, *self._read_roots]
        if not allowed:
            raise StorageError(
                "access to files of this machine is switched off; allow folders by "
                "the setting TESK_FILE_ROOTS"
            )
        if not any(is_within(real, root) for root in allowed):
            roots = ", ".join(allowed)
            raise StorageError(
                f"lies outside the folders that may be used ({roots}); "
                "the setting TESK_FILE_ROOTS names them"
            )
        if what := self._protected.match_name(real):
            raise ProtectedError(format_refusal(what))
        if write:
            return Target(real)
        own = [root for root in self._read_roots if is_within(real, root)]
        return Target(real, max((root.count("/") for root in own), default=0))

    @contextmanager
    def parent(
        self, target: Target, *, create: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the open folder that holds a resolved path, and the last name.

        Raises:
            ProtectedError: It is a protected path, or below one.
        """
        *above, name = [part for part in target.path.split("/") if part] or ["."]
        directory = os.open("/", _PATH_FLAGS)
        try:
            for depth, segment in enumerate(above, start=1):
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(segment, dir_fd=directory)
                below = os.open(segment, _PATH_FLAGS, dir_fd=directory)
                os.close(directory)
                directory = below
                self._check(os.fstat(directory), own=depth <= target.own_until)
            with suppress(FileNotFoundError):
                last = os.stat(name, dir_fd=directory, follow_symlinks=False)
                self._check(last, own=len(above) < target.own_until)
            yield directory, name
        finally:
            os.close(directory)

    def check_write(self, target: Target) -> None:
        """Return if a file could be written at a resolved path; change nothing.

        Raises:
            StorageError: It is a directory, or the nearest folder above that exists
                cannot be written.
            OSError: From the file system.
        """
        path = target.path
        while True:
            try:
                with self.parent(Target(path)) as (directory, name):
                    _check_place(directory, name, is_target=path == target.path)
                    return
            except FileNotFoundError:
                path = path.rpartition("/")[0]

    def below(self, folder: Target, name: str, status: os.stat_result | None) -> Target:
        """Return the target of an entry of an allowed folder that is not a link.

        Args:
            folder: The allowed folder.
            name: Of the entry.
            status: Of the entry; None: there is none yet.

        Raises:
            ProtectedError: It is protected.
        """
        path = f"{folder.path.rstrip('/')}/{name}"
        if what := self._protected.match_name(path):
            raise ProtectedError(format_refusal(what))
        if status is not None:
            self._check(status, own=path.count("/") <= folder.own_until)
        return Target(path, folder.own_until)

    def _check(self, status: os.stat_result, *, own: bool) -> None:
        if what := self._protected.match_identity(status, may_be_code=own):
            raise ProtectedError(format_refusal(what))


def _check_place(directory: int, name: str, *, is_target: bool) -> None:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        status = None
    if is_target and status is not None and stat.S_ISDIR(status.st_mode):
        raise directory_in_the_way()
    needed = os.W_OK | os.X_OK
    if not os.access(".", needed, dir_fd=directory, effective_ids=True):
        raise StorageError(
            "its folder cannot be written; the user that runs TESK needs the right to it"
        )


_CAUSES = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "is not a directory, or something above it is not",
    errno.EISDIR: IS_DIRECTORY,
    errno.EACCES: "access denied; the user that runs TESK needs the right to it",
    errno.EPERM: "access denied; the user that runs TESK needs the right to it",
    errno.ENOSPC: "no space left where it is to be written",
    errno.EDQUOT: "the quota is exhausted where it is to be written",
    errno.EROFS: "is on a read-only file system",
    errno.ELOOP: "was exchanged for a link meanwhile",
    errno.ENAMETOOLONG: "has a name that is too long",
}
_TRANSIENT = frozenset({errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT})


def explain(error: OSError) -> StorageError:
    """Return what an error of the system means for a file."""
    cause = _CAUSES.get(error.errno or 0, error.strerror or "cannot be used")
    return StorageError(cause, transient=error.errno in _TRANSIENT)
