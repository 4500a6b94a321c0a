"""A file of the task volume that arrives in parts."""

import os
from collections.abc import Callable

from tesk_filer.adapters.digests import Digests
from tesk_filer.adapters.disk_space import allocated_bytes, free_bytes
from tesk_filer.adapters.volume_errors import unwritable
from tesk_filer.ports import Advance
from tesk_filer.ports.volume import Checks, Saved


def stamp_of(found: os.stat_result) -> str:
    """Return the stamp of a file; see ``Saved.stamp``."""
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"


class PartialFile:
    """Satisfies ``ports.volume.PartialFile``."""

    def __init__(
        self, descriptor: int, *, is_resumed: bool, publish: Callable[[bool], None]
    ) -> None:
        """Write to an open temporary file.

        Args:
            descriptor: Of the file; owned by the caller.
            is_resumed: See ``ports.volume.PartialFile``.
            publish: Gives the file its mode, executable or not, and its name.
        """
        self._descriptor = descriptor
        self._publish = publish
        self.is_resumed = is_resumed
        found = os.fstat(descriptor)
        self.stamp = f"{found.st_ino:x}"
        self.reserved = allocated_bytes(found)

    def write(self, data: bytes, offset: int) -> None:
        """See ``ports.volume.PartialFile``."""
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            free = free_bytes(self._descriptor)
            raise unwritable(error, len(view), free) from error

    def finish(self, checks: Checks, advance: Advance, *, executable: bool) -> Saved:
        """See ``ports.volume.PartialFile``."""
        digests = Digests(checks)
        try:
            if digests:
                digests.read(self._descriptor, advance)
            found = digests.verify()
            status = os.fstat(self._descriptor)
            self._publish(executable)
        except OSError as error:
            raise unwritable(error) from error
        return Saved(size=status.st_size, stamp=stamp_of(status), digests=found)
