"""Writes and reads the lines of ``system_logs`` about attempts that others followed.

Of such an attempt nothing else is left, see ``tesk_scheduler.domain.lost_attempts``:
one line says why it ended, the next one when and where it ran.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_ATTEMPT = re.compile(
    rf"attempt (?P<number>\d{{1,9}}): (?P<began>{_TIME}) to (?P<ended>{_TIME})"
    r"(?:, on (?P<nodes>[^,;(]*))?"
    r"(?:, (?P<code>[A-Z_]+))?"
    r"(?P<free> \(does not count\))?"
    r"; attempt \d+ follows "
)
_CAUSE = re.compile(
    r"attempt (\d{1,9}) (?:was lost|failed|was ended by an operator): (.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """An attempt that another one followed.

    Attributes:
        began: Whole seconds, as
        ended: are.
        nodes: Where its steps ran, with blanks between; "" if that is not known.
        code: Of its cause; "" if there is none.
        counts: Against the limit of attempts.
        cause: In a sentence; "" if that is not known.
    """

    number: int
    began: datetime
    ended: datetime
    nodes: str = ""
    code: str = ""
    counts: bool = True
    cause: str = ""


def format_attempt(attempt: EndedAttempt, follows: str) -> str:
    """Format the line of an attempt; ``follows`` says when the next one may begin."""
    times = f"{format_time(attempt.began)} to {format_time(attempt.ended)}"
    parts = [
        f"attempt {attempt.number}: {times}",
        *([f"on {attempt.nodes}"] if attempt.nodes else []),
        *([attempt.code] if attempt.code else []),
    ]
    free = "" if attempt.counts else " (does not count)"
    next_one = attempt.number + 1
    return f"{', '.join(parts)}{free}; attempt {next_one} follows {follows}"


def ended_attempts(lines: Iterable[str]) -> Sequence[EndedAttempt]:
    """Return the attempts that lines tell of, in their order."""
    causes: dict[int, str] = {}
    found = []
    for line in lines:
        if cause := _CAUSE.fullmatch(line):
            causes[int(cause[1])] = cause[2]
        elif attempt := _parse_attempt(line):
            found.append(replace(attempt, cause=causes.get(attempt.number, "")))
    return found


def node_names(metadata: Mapping[str, str]) -> list[str]:
    """Return the nodes that ``metadata`` of a log names, each once, by their steps."""
    named = (
        value
        for key, value in sorted(metadata.items())
        if key.rpartition(".")[2] == "node"
    )
    return list(dict.fromkeys(named))


def _parse_attempt(line: str) -> EndedAttempt | None:
    match = _ATTEMPT.match(line)
    if match is None:
        return None
    try:
        began, ended = _time(match["began"]), _time(match["ended"])
    except ValueError:  # no time, though of its form
        return None
    return EndedAttempt(
        number=int(match["number"]),
        began=began,
        ended=ended,
        nodes=match["nodes"] or "",
        code=match["code"] or "",
        counts=match["free"] is None,
    )


def format_time(time: datetime) -> str:
    """Format a time for people: ``2026-01-01T12:00:00Z``."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
