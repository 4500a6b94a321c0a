"""From what happened to the files to the verdict on the transfer."""

from collections.abc import Sequence

from tesk_filer.ports import Verdict
from tesk_filer.usecases.crew import Failure
from tesk_filer.usecases.tally import Tally

_MAX_FAILURES = 5
_MAX_WARNINGS = 100


def make_verdict(
    failures: Sequence[Failure], warnings: Sequence[str], tally: Tally
) -> Verdict:
    """Sum up a transfer; only some of many failures and warnings are named.

    It may succeed later only if no failure is there to stay.
    """
    progress = tally.progress()
    return Verdict(
        error="; ".join(
            _some([failure.message for failure in failures], _MAX_FAILURES)
        ),
        transient=bool(failures) and all(failure.transient for failure in failures),
        warnings=tuple(_some(warnings, _MAX_WARNINGS)),
        files=progress.files_done,
        bytes=progress.bytes_done,
        moved=tally.moved(),
    )


def _some(lines: Sequence[str], limit: int) -> list[str]:
    shown = list(lines[:limit])
    if len(lines) > limit:
        shown.append(f"and {len(lines) - limit} more")
    return shown
