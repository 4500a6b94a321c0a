"""The scheduler's record of a transfer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tesk_model.identities import FileIdentity
from tesk_model.task import Input, InputSize, Output, OutputFileLog, TransferStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedByScheme:
    """Files and bytes that moved by one scheme of urls, or ``content``.

    Attributes:
        seconds: Sum of the times that its files took; many move at once.
        failed: Files that could not be moved, and directories that could not be listed.
    """

    scheme: str
    files: int
    bytes: int
    seconds: float = 0.0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """How a transfer ended; see ``FinishTransferRequest``.

    Attributes:
        files: That have moved, completely.
        bytes: Of these.
        seconds: For how long they moved.
        resumed_files: Those of ``files`` that an earlier filer of this transfer moved,
            not within ``seconds``.
        resumed_bytes: Of these.
        sha256: See ``FinishTransferRequest``.
        identified: See ``FinishTransferRequest``.
        input_sizes: What arrived of each input; empty unless all have.
    """

    error: str = ""
    transient: bool = False
    warnings: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    moved: tuple[MovedByScheme, ...] = ()
    seconds: float = 0.0
    resumed_files: int = 0
    resumed_bytes: int = 0
    sha256: str = ""
    identified: bool = False
    input_sizes: tuple[InputSize, ...] = ()


class Transfers(Protocol):
    """The scheduler's record of this transfer.

    Calls are retried while the scheduler restarts.

    Raises:
        ConflictError: The attempt is over.
        PermissionDeniedError: The token is not of this attempt.
        UnavailableError: The scheduler was unavailable for longer.
    """

    def inputs(self) -> Sequence[Input]:
        """Return the inputs to download."""

    def outputs(self) -> Sequence[Output]:
        """Return the outputs to upload."""

    def report(self, status: TransferStatus) -> None:
        """Report progress; tried once."""

    def wants_identities(self) -> bool:
        """Tell whether ``add_identities`` is to be called; asked after the reads."""

    def add_identities(self, files: Sequence[FileIdentity]) -> bool:
        """Record what files were when they moved; tell whether more are wanted."""

    def add_outputs(self, files: Sequence[OutputFileLog]) -> None:
        """Record files that are uploaded."""

    def finish(self, result: TransferResult) -> None:
        """Record how the transfer ended; durable when it returns."""
