"""A task volume whose disk is small."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tesk_filer.adapters.disk_space import describe_full
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.ports import StorageError

_BLOCK = 512  # bytes, of st_blocks


def volumes_of(capacity: int) -> Callable[[Path, str], FolderVolume]:
    """Return what opens volumes whose disk has ``capacity`` bytes, for names and all."""

    def open_volume(folder: Path, tag: str) -> FolderVolume:
        return SmallVolume(folder, tag=tag, capacity=capacity)

    return open_volume


class SmallVolume(FolderVolume):
    """Tells what its files leave free; does not keep them from growing."""

    def __init__(self, folder: Path, *, tag: str, capacity: int) -> None:
        super().__init__(folder, tag=tag)
        self._root = folder
        self._capacity = capacity

    def check_space(self, needed: int) -> None:
        free = self._capacity
        for path in self._root.rglob("*"):
            with suppress(FileNotFoundError):  # it got its name meanwhile
                free -= path.stat().st_blocks * _BLOCK
        if needed > free:
            raise StorageError(describe_full(needed, free))
