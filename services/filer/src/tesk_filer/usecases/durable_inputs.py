"""Says that inputs have arrived only once they are on the disk.

The machine of a task may be lost and be back before an executor has started, which then
starts there all the same. Of what only the machine's memory had, the disk has names and
sizes, and zeros: no error would tell that the task has read something else.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from tesk_filer.ports import StorageError
from tesk_filer.ports.transfers import TransferResult
from tesk_filer.usecases.transfer import TransferRun

OpenSync = Callable[[], AbstractContextManager[Callable[[], None]]]
"""Opens what puts on the disk all that is written in its block.

Both it and what it yields may raise StorageError.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableInputs:
    """Satisfies ``usecases.transfer.TransferRun``.

    Attributes:
        downloads: Brings the inputs.
        open_sync: Of the volume.
    """

    downloads: TransferRun
    open_sync: OpenSync

    def run(self) -> TransferResult:
        """Bring the inputs, and sync once if there are any; see ``TransferRun``."""
        result = TransferResult()
        try:
            with self.open_sync() as sync:
                result = self.downloads.run()
                # An earlier filer may have been killed before it synced what it brought.
                if result.files and not result.error:
                    sync()
        except StorageError as error:
            return replace(
                result,
                error=f"inputs: {error.message}",
                transient=error.transient,
                identified=False,
                input_sizes=(),
            )
        return result
