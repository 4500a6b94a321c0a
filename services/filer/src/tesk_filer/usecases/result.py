"""Summarizes a transfer."""

from collections.abc import Sequence

from tesk_filer.ports import TransferResult
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.worker_pool import Failure

_MAX_FAILURES = 5
_MAX_WARNINGS = 100


def summarize(
    failures: Sequence[Failure], warnings: Sequence[str], progress: TransferProgress
) -> TransferResult:
    """Return the result of a transfer, with some of many failures and warnings.

    It is transient if all failures are.
    """
    counts = progress.snapshot()
    return TransferResult(
        error="; ".join(
            _some([failure.message for failure in failures], _MAX_FAILURES)
        ),
        transient=bool(failures) and all(failure.transient for failure in failures),
        warnings=tuple(_some(warnings, _MAX_WARNINGS)),
        files=counts.files_done,
        bytes=counts.bytes_done,
        moved=progress.moved(),
    )


def _some(lines: Sequence[str], limit: int) -> list[str]:
    shown = list(lines[:limit])
    if len(lines) > limit:
        shown.append(f"and {len(lines) - limit} more")
    return shown
