"""Formats what is stored of transfers."""

from dataclasses import dataclass
from enum import StrEnum

from tesk_model.progress import format_moved


class Direction(StrEnum):
    """Direction of a transfer; also the key of its entry in ``metadata``."""

    INPUTS = "inputs"
    OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Files that were moved, and their bytes."""

    files: int
    size: int


NOTHING = Amount(files=0, size=0)


def format_summary(
    direction: Direction,
    total: Amount,
    seconds: float,
    *,
    resumed: Amount = NOTHING,
    cached: int = 0,
    failed: bool = False,
) -> str:
    """Format the one line that ``system_logs`` have of a transfer.

    Args:
        direction: Of the transfer.
        total: All that was moved.
        seconds: For how long the last filer moved files; 0 if unknown.
        resumed: What earlier filers of the transfer had moved of it.
        cached: Files that came from the cache of filers.
        failed: It ended with an error.
    """
    if resumed == NOTHING:
        moved = format_moved(total.files, total.size, seconds)
    else:
        rest = format_moved(
            total.files - resumed.files, total.size - resumed.size, seconds
        )
        moved = f"{format_moved(total.files, total.size)}; after a restart {rest}"
    if cached:
        moved += f"; {cached:,} of {total.files:,} files from the cache"
    return f"{direction.value}: {'failed after ' if failed else ''}{moved}"
