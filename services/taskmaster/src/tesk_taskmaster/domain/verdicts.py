"""What exit codes of steps mean for the attempt."""

from enum import Enum, auto


class TransferVerdict(Enum):
    """How a transfer ended, by the exit code of its filer."""

    ARRIVED = auto()
    FAILED = auto()
    LOST = auto()
    CRASHED = auto()


_BY_CODE = {
    0: TransferVerdict.ARRIVED,
    65: TransferVerdict.FAILED,
    75: TransferVerdict.LOST,
}


def transfer_verdict(exit_code: int) -> TransferVerdict:
    """Return what a filer's exit code says.

    Source:
        docs/architecture.md: 0 all arrived, 65 (EX_DATAERR) failed for good,
        75 (EX_TEMPFAIL) a new attempt may succeed, else it died without a
        verdict and is started again.
    """
    return _BY_CODE.get(exit_code, TransferVerdict.CRASHED)
