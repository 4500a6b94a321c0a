"""Formats the progress and the result of transfers."""

from dataclasses import dataclass
from enum import StrEnum

from tesk_model.quantities import format_bytes


class Direction(StrEnum):
    """Direction of a transfer; also the key of its entry in ``metadata``."""

    INPUTS = "inputs"
    OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Files and bytes moved; a total of 0 is unknown."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


def format_progress(progress: Progress) -> str:
    """Format progress for people: ``3 of 10 files, 12 MiB of 1.2 GiB``."""
    files = _of(str(progress.files_done), str(progress.files_total or ""))
    total = format_bytes(progress.bytes_total) if progress.bytes_total else ""
    return f"{files} files, {_of(format_bytes(progress.bytes_done), total)}"


def format_result(files: int, count: int) -> str:
    """Format what was moved: ``1 file, 12 MiB``."""
    return f"{files} file{'' if files == 1 else 's'}, {format_bytes(count)}"


def _of(done: str, total: str) -> str:
    return f"{done} of {total}" if total else done
