"""Reads the exit code of a filer."""

from enum import Enum, auto


class TransferResult(Enum):
    """How a transfer ended, by the exit code of its filer."""

    SUCCEEDED = auto()
    FAILED = auto()
    RETRYABLE = auto()
    CRASHED = auto()


_BY_CODE = {
    0: TransferResult.SUCCEEDED,
    65: TransferResult.FAILED,
    75: TransferResult.RETRYABLE,
}


def transfer_result(exit_code: int) -> TransferResult:
    """Return what a filer's exit code means.

    Source:
        docs/architecture.md: 0 all arrived, 65 (EX_DATAERR) failed for good,
        75 (EX_TEMPFAIL) another try may succeed; any other code: it died
        without a result and is started again.
    """
    return _BY_CODE.get(exit_code, TransferResult.CRASHED)
