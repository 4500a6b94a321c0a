"""Decides when the progress of a transfer is worth another line of plain text.

A server tells it anew each second; a file of lines should not grow with time.
"""

from collections.abc import Mapping

from tesk_model.progress import format_progress
from tesk_model.task import TransferStatus

_STEPS = 10  # lines of a transfer whose totals are known

Stage = tuple[str, int]
"""What of a transfer is counted, and how much of that is done."""


def share_of(status: TransferStatus) -> float | None:
    """Return how much of a transfer is done, from 0 to 1; None if unknown."""
    if status.bytes_total:
        return min(1.0, status.bytes_done / status.bytes_total)
    if status.files_total:
        return min(1.0, status.files_done / status.files_total)
    return None


def transfer_lines(
    previous: Mapping[str, TransferStatus], current: Mapping[str, TransferStatus]
) -> list[str]:
    """Return a line for each transfer that has reached another stage.

    That is a tenth of the whole; twice as many files while the whole is not known.
    """
    return [
        f"{direction}: {format_progress(status)}"
        for direction, status in current.items()
        if direction not in previous or _stage(previous[direction]) != _stage(status)
    ]


def _stage(status: TransferStatus) -> Stage:
    share = share_of(status)
    if share is None:
        return "files", status.files_done.bit_length()
    return "share", int(share * _STEPS)
