"""A scheduler's record of one transfer, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tesk_filer.ports.transfers import TransferResult
from tesk_model.errors import TeskError
from tesk_model.identities import FileIdentity
from tesk_model.task import Input, Output, OutputFileLog, TransferStatus


@dataclass
class MemoryTransfers:
    """Satisfies ``tesk_filer.ports.transfers.Transfers``.

    Attributes:
        error: Raised by every call but the reads.
        wanted: Number of identities that are wanted; None: they are not asked for.
    """

    to_bring: tuple[Input, ...] = ()
    to_take: tuple[Output, ...] = ()
    files: list[OutputFileLog] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    reports: list[TransferStatus] = field(default_factory=list)
    results: list[TransferResult] = field(default_factory=list)
    error: TeskError | None = None
    wanted: int | None = None
    identities: list[FileIdentity] = field(default_factory=list)

    def inputs(self) -> Sequence[Input]:
        return self.to_bring

    def outputs(self) -> Sequence[Output]:
        return self.to_take

    def report(self, status: TransferStatus) -> None:
        self._begin()
        self.reports.append(status)

    def wants_identities(self) -> bool:
        return self.wanted is not None

    def add_identities(self, files: Sequence[FileIdentity]) -> bool:
        self._begin()
        self.identities.extend(files)
        return len(self.identities) < (self.wanted or 0)

    def add_outputs(self, files: Sequence[OutputFileLog]) -> None:
        self._begin()
        self.files.extend(files)
        self.batches.append(len(files))

    def finish(self, result: TransferResult) -> None:
        self._begin()
        self.results.append(result)

    def _begin(self) -> None:
        if self.error is not None:
            raise self.error
