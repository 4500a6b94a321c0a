"""What a ``Reader`` of some storages can tell beside."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Compares(Protocol):
    """A reader of a storage without conditions, which asks whether a file has changed.

    It does so by itself when it has read the last byte that it was opened for.
    """

    def compare(self) -> None:
        """Ask now, where reading ends before that.

        Raises:
            ChangedError: The file is not what it was when it was opened.
            StorageError: The storage does not tell.
        """


@runtime_checkable
class Skips(Protocol):
    """A reader whose storage may send more than the part that it was asked for."""

    @property
    def skips(self) -> int:
        """Bytes that come before the part, and are read and left out by ``read``."""


@runtime_checkable
class Redirects(Protocol):
    """A reader of a storage that leads elsewhere, where other credentials are sent."""

    @property
    def is_private(self) -> bool:
        """See ``Stat.is_private``."""
