"""What the launcher reports about an executor, and how memory that ran out reads.

Each runtime finds the report elsewhere (a file, a termination message); what it
says is the same.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from tesk_model.quantities import byte_words

_SIGKILL = 128 + 9
_NEAR_LIMIT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the launcher reports; see its README.

    Attributes:
        max_rss: Bytes of the largest process.
        terminated: Somebody outside the container asked for its end.
    """

    exit_code: int
    started_at: datetime | None
    ended_at: datetime | None
    max_rss: int
    terminated: bool
    error: str


def parse_report(text: bytes) -> Report | None:
    """Read a report; None if it is missing, partial or no report of ours.

    The user's program could write to the file too, so nothing is taken for
    granted; what it can forge is its own result.
    """
    try:
        fields = json.loads(text)
        return Report(
            exit_code=int(fields["exit_code"]) & 0xFF,
            started_at=parse_time(fields["started_at"]),
            ended_at=parse_time(fields["ended_at"]),
            max_rss=int(fields["max_rss_bytes"]),
            terminated=fields.get("terminated") is True,
            error=str(fields.get("error", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def parse_time(text: str) -> datetime | None:
    """Read an engine's time; None for its zero, ``0001-01-01T00:00:00Z``."""
    time = datetime.fromisoformat(text)
    return time if time.year > 1 and time.tzinfo is not None else None


def memory_note(report: Report, ram: int, *, flagged: bool) -> str:
    """Return the line that says that memory ran out; "" if it did not.

    Args:
        report: The launcher's.
        ram: The memory limit in bytes.
        flagged: The runtime says that the kernel killed for want of memory.
            Its flag may come late, so a kill near the limit counts as well.
    """
    near_limit = report.exit_code == _SIGKILL and report.max_rss >= ram * _NEAR_LIMIT
    return memory_words(ram) if near_limit or (flagged and report.exit_code) else ""


def memory_words(ram: int) -> str:
    """Say that memory ran out."""
    return f"ran out of memory: limit {byte_words(ram)}"
