"""Defines a trace: who submits what, when, and how long it runs.

What is read of a trace is bounded, and what is wrong with it is told by its line.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from tesk_model.errors import InvalidRequestError, Violation

MAX_JOBS = 200_000
MAX_LINE = 10_000
"""Characters."""

LONGEST = 100 * 365 * 86_400.0
"""Seconds, of any time in a trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceJob:
    """One task of a trace.

    Attributes:
        submitted: Seconds from the beginning of the trace.
        run_time: Seconds from its start to its end.
        resources: What it asks for, by the names of TES; what is absent is unset.
        priority: Value of its tag ``priority``; "" without one.
    """

    submitted: float
    owner: str
    run_time: float
    resources: Mapping[str, float]
    groups: tuple[str, ...] = ()
    priority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A trace.

    Attributes:
        jobs: By time of submission; at least one.
        left_out: Entries that are no job that ran, such as canceled ones.
    """

    jobs: Sequence[TraceJob]
    left_out: int = 0


class LineError(ValueError):
    """What is wrong with one line; whoever reads lines adds its number."""


Parse = Callable[[str], TraceJob | None]
"""Reads one line; None for an entry that is no job that ran; raises LineError."""


def read_trace(lines: Iterable[str], parse: Parse, *, first: int = 1) -> Trace:
    """Read the lines of a trace; empty ones are skipped.

    Args:
        lines: With or without their ends.
        parse: Reads one.
        first: Number of the first line.

    Raises:
        InvalidRequestError: The message names the line.
    """
    jobs: list[TraceJob] = []
    left_out = 0
    for number, line in _numbered(lines, first):
        try:
            job = parse(line)
        except LineError as error:
            raise trace_error(str(error), line=number) from error
        if job is None:
            left_out += 1
        elif len(jobs) == MAX_JOBS:
            problem = f"a trace may have at most {MAX_JOBS:,} tasks"
            raise trace_error(problem, line=number)
        else:
            jobs.append(job)
    if not jobs:
        raise trace_error("has no task that ran")
    return Trace(jobs=in_order(jobs), left_out=left_out)


def in_order(jobs: Iterable[TraceJob]) -> list[TraceJob]:
    """Return jobs by time of submission; those of one time stay in their order."""
    return sorted(jobs, key=lambda job: job.submitted)


def trace_error(problem: str, *, line: int | None = None) -> InvalidRequestError:
    """Return the error that a trace is wrong."""
    where = "TRACE" if line is None else f"TRACE line {line}"
    return InvalidRequestError([Violation(where, problem)])


def number_of(name: str, text: object, *, most: float = LONGEST) -> float:
    """Return a number of a trace.

    Raises:
        LineError: It is not one from 0 to ``most``.
    """
    try:
        value = float(str(text))
    except ValueError:
        value = -1.0
    if not isfinite(value) or not 0 <= value <= most:
        msg = f"{name} must be a number from 0 to {most:.12g}, not {str(text)[:40]!r}"
        raise LineError(msg)
    return value


def _numbered(lines: Iterable[str], first: int) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, first):
        if len(line) > MAX_LINE:
            problem = f"must be at most {MAX_LINE:,} characters long"
            raise trace_error(problem, line=number)
        if line.strip():
            yield number, line
