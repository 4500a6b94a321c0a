"""Formats progress and results of transfers, for everyone who shows them."""

from tesk_model.quantities import format_bytes
from tesk_model.task import TransferStatus

NAME_LENGTH = 256
"""Characters of a path or url in a ``TransferStatus``."""

_MINUTE, _HOUR = 60, 3600
_EXACT_BELOW = 10  # seconds


def bytes_per_second(count: int, seconds: float) -> int:
    """Return the mean rate; 0 if no time has passed, or less is there than before."""
    return max(0, round(count / seconds)) if seconds > 0 else 0


def format_progress(status: TransferStatus) -> str:
    """Format progress: ``3 of 10 files, 12 MiB of 1.2 GiB, 80 MiB/s``."""
    files = _of(str(status.files_done), str(status.files_total or ""))
    total = format_bytes(status.bytes_total) if status.bytes_total else ""
    text = f"{files} files, {_of(format_bytes(status.bytes_done), total)}"
    rate = status.bytes_per_second
    return f"{text}, {format_rate(rate)}" if rate else text


def format_moved(files: int, count: int, seconds: float = 0) -> str:
    """Format what was moved: ``12 files, 3.4 GiB in 41 s (85 MiB/s)``.

    Args:
        files: How many.
        count: Their bytes.
        seconds: For how long they moved; 0 if that is not known. Of less than one
            there is no rate: it would say little of the way.
    """
    text = f"{files:,} file{'' if files == 1 else 's'}, {format_bytes(count)}"
    if seconds <= 0:
        return text
    text = f"{text} in {format_seconds(seconds)}"
    if seconds < 1:
        return text
    return f"{text} ({format_rate(bytes_per_second(count, seconds))})"


def format_rate(rate: int) -> str:
    """Format a rate in bytes per second."""
    return f"{format_bytes(rate)}/s"


def format_seconds(seconds: float) -> str:
    """Format a time: ``34 ms``, ``2.5 s``, ``41 s``, ``2 min 5 s``, ``3 h 20 min``."""
    if 0 < seconds < 1:
        return f"{max(1, min(999, round(seconds * 1000)))} ms"
    if seconds < _EXACT_BELOW:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def _of(done: str, total: str) -> str:
    return f"{done} of {total}" if total else done
