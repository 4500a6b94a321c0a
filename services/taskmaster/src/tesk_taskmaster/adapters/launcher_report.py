"""What the launcher reports about an executor, and how memory that ran out reads.

Each runtime finds the report elsewhere (a file, a termination message); what it
says is the same. The user's program can reach it in both places, so it is read
strictly: what is no report of the launcher's is a ``WrongReport``, whatever it is.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tesk_model.quantities import byte_words

REPORT_BYTES: Final = 4096
"""The longest report; see the launcher's README."""

WRONG_REPORT: Final = (
    "the launcher's report was overwritten, so that its exit code alone is known"
)

_SIGKILL = 128 + 9
_NEAR_LIMIT = 0.9
_MOST_MEMORY = 2**62
_YEARS = range(1970, 2500)


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


class WrongReport:
    """Something is there, and it is not what the launcher writes."""


class _Written(msgspec.Struct):
    """The JSON of a report, with the bounds of each field."""

    exit_code: Annotated[int, Meta(ge=0, le=255)]
    started_at: Annotated[datetime, Meta(tz=True)]
    ended_at: Annotated[datetime, Meta(tz=True)]
    max_rss_bytes: Annotated[int, Meta(ge=0, le=_MOST_MEMORY)]
    terminated: bool = False
    error: str = ""


_DECODER = msgspec.json.Decoder(_Written)


def parse_report(text: bytes) -> Report | WrongReport | None:
    """Read a report; None if there is none.

    Args:
        text: At least the first ``REPORT_BYTES`` + 1 bytes of what is there.
    """
    if not text.strip(b"\0"):  # as a crash of the machine leaves a file
        return None
    if len(text) > REPORT_BYTES:
        return WrongReport()
    try:
        written = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return WrongReport()
    return Report(
        exit_code=written.exit_code,
        started_at=_plausible(written.started_at),
        ended_at=_plausible(written.ended_at),
        max_rss=written.max_rss_bytes,
        terminated=written.terminated,
        error="".join(c if c.isprintable() else "\ufffd" for c in written.error),
    )


def _plausible(time: datetime) -> datetime | None:
    """Return None for what other services could not take for a time."""
    return time if time.year in _YEARS else None


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
