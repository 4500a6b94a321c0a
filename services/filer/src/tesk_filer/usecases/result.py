"""Summarizes a transfer."""

from collections.abc import Sequence

from tesk_filer.domain.digest_list import DigestList
from tesk_filer.ports.transfers import TransferResult
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.worker_pool import Failure

_MAX_FAILURES = 5
_MAX_WARNINGS = 100


def summarize(
    failures: Sequence[Failure],
    warnings: Sequence[str],
    progress: TransferProgress,
    digests: DigestList | None,
) -> TransferResult:
    """Return the result of a transfer, with some of many failures and warnings.

    It is transient if all failures are.
    """
    moved = progress.moved()
    resumed_files, resumed_bytes = progress.resumed
    return TransferResult(
        error="; ".join(
            _some([failure.message for failure in failures], _MAX_FAILURES)
        ),
        transient=bool(failures) and all(failure.transient for failure in failures),
        warnings=tuple(_some(warnings, _MAX_WARNINGS)),
        files=sum(each.files for each in moved) + resumed_files,
        bytes=sum(each.bytes for each in moved) + resumed_bytes,
        moved=moved,
        seconds=progress.seconds(),
        resumed_files=resumed_files,
        resumed_bytes=resumed_bytes,
        sha256=digests.text() if digests else "",
    )


def _some(lines: Sequence[str], limit: int) -> list[str]:
    shown = list(lines[:limit])
    if len(lines) > limit:
        shown.append(f"and {len(lines) - limit} more")
    return shown
