"""Reads the launcher's report about an executor.

It is in a file or a termination message, depending on the runtime. The user's
program can overwrite both, so it is parsed strictly.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tesk_model.events import MAX_CPU_SECONDS
from tesk_taskmaster.domain.termination import InvalidReport, LoggedBytes, Report

REPORT_BYTES: Final = 4096
"""The longest report; see the launcher's README."""

_MAX_BYTES = 2**62
_YEARS = range(1970, 2500)
_LoggedSize = Annotated[int, Meta(ge=0, le=_MAX_BYTES)]


class _ReportDocument(msgspec.Struct):
    """The JSON of a report, with the bounds of each field."""

    exit_code: Annotated[int, Meta(ge=0, le=255)]
    started_at: Annotated[datetime, Meta(tz=True)]
    ended_at: Annotated[datetime, Meta(tz=True)]
    max_rss_bytes: Annotated[int, Meta(ge=0, le=_MAX_BYTES)]
    cpu_seconds: Annotated[float, Meta(ge=0, le=MAX_CPU_SECONDS)] | None = None
    terminated: bool = False
    skipped: bool = False
    disk_full: bool = False
    turn: str = ""
    error: str = ""
    stdout_logged: _LoggedSize | None = None
    stderr_logged: _LoggedSize | None = None


_DECODER = msgspec.json.Decoder(_ReportDocument)


def parse_report(text: bytes) -> Report | InvalidReport | None:
    """Read a report; None if there is none.

    Args:
        text: At least the first ``REPORT_BYTES`` + 1 bytes of it.
    """
    if not text.strip(b"\0"):  # as a crash of the machine leaves a file
        return None
    if len(text) > REPORT_BYTES:
        return InvalidReport()
    try:
        written = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return InvalidReport()
    return Report(
        exit_code=written.exit_code,
        started_at=_plausible(written.started_at),
        ended_at=_plausible(written.ended_at),
        max_rss=written.max_rss_bytes,
        cpu_seconds=written.cpu_seconds,
        terminated=written.terminated,
        skipped=written.skipped,
        disk_full=written.disk_full,
        turn=written.turn,
        error="".join(c if c.isprintable() else "\ufffd" for c in written.error),
        logged=_logged_bytes(written),
    )


def _logged_bytes(written: _ReportDocument) -> LoggedBytes | None:
    if written.stdout_logged is None or written.stderr_logged is None:
        return None
    return LoggedBytes(written.stdout_logged, written.stderr_logged)


def _plausible(time: datetime) -> datetime | None:
    """Return None for a time that other services could not represent."""
    return time if time.year in _YEARS else None


def parse_time(text: str) -> datetime | None:
    """Read an engine's time; None for its zero, ``0001-01-01T00:00:00Z``."""
    time = datetime.fromisoformat(text)
    return time if time.year > 1 and time.tzinfo is not None else None
