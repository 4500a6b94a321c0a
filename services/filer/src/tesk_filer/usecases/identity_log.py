"""Reports what files were when they moved, where the scheduler wants to know."""

from collections.abc import Sequence

from tesk_filer.ports.transfers import Transfers
from tesk_filer.usecases.batched_reports import BatchedReports
from tesk_model.identities import FileIdentity
from tesk_model.locations import Location, printable


class IdentityLog:
    """Reports identities in batches, until no more are wanted; thread-safe."""

    def __init__(self, transfers: Transfers, direction: str) -> None:
        """Report by ``transfers``.

        Args:
            transfers: The record of the transfer, whose files have been read.
            direction: ``inputs`` or ``outputs``.
        """
        self._transfers = transfers
        self._direction = direction
        self._reports = BatchedReports[FileIdentity](self._send)
        self._is_wanted: bool | None = None

    def add(self, path: str, location: Location, *, size: int, identity: str) -> None:
        """Report a file, now or with later ones.

        Args:
            path: In the container.
            location: In the storage.
            size: Bytes.
            identity: See ``domain.identities``.
        """
        if not self._asked():
            return
        shown = printable(location.url), printable(path)
        # Another file may have the same text: none can be known again by it.
        is_told_apart = shown == (location.url, path)
        self._reports.add(
            FileIdentity(
                direction=self._direction,
                url=shown[0],
                path=shown[1],
                size_bytes=size,
                identity=identity if is_told_apart else "",
            )
        )

    def flush(self) -> bool:
        """Report all pending files; tell whether every file was reported."""
        self._reports.flush()
        return self._asked()

    def _asked(self) -> bool:
        if self._is_wanted is None:
            self._is_wanted = self._transfers.wants_identities()
        return self._is_wanted

    def _send(self, files: Sequence[FileIdentity]) -> None:
        if self._is_wanted and not self._transfers.add_identities(files):
            self._is_wanted = False
