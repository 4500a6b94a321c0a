"""Backend parameters by which a task limits and repeats its attempts.

They hold on every installation. The api checks them with everything else of a task,
the scheduler applies them, and the taskmaster learns which exit codes end an attempt
that another one follows.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tesk_model.errors import Violation

MOST_ATTEMPTS = 100
"""The most that a task can ask for, whatever the quota allows."""

_MOST_FACTOR = 10.0
_MOST_RAM_GB = 2.0**20
_LONGEST = timedelta(days=366)
_MOST_RANGES = 32
_LAST_CODE = 255

_RANGE = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?")
_TIME = re.compile(r"([0-9]{1,9})([smhd]?)")
_UNITS = {
    "": timedelta(seconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


class ExitCodes(tuple[tuple[int, int], ...]):
    """Ranges of exit codes, each with its first and last: ``137,1-3``."""

    __slots__ = ()

    def has(self, code: int) -> bool:
        """Tell whether ``code`` is one of them."""
        return any(first <= code <= last for first, last in self)

    def __str__(self) -> str:
        """Format them as ``parse_exit_codes`` reads them."""
        return ",".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self
        )


NO_EXIT_CODES = ExitCodes()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptParameters:
    """What a task says about its attempts.

    Attributes:
        retry_on_exit_codes: Of an executor, after which another attempt follows.
        max_attempts: Instead of the installation's; None: that.
        oom_memory_factor: By how much more memory the next attempt gets after an
            executor ran out of it; None: no attempt follows for that.
        oom_max_ram_gb: GiB that it gets at most.
        max_run_time: Of one attempt, from the start of its first executor.
        max_queue_time: For which the task may wait at a stretch.
    """

    retry_on_exit_codes: ExitCodes = NO_EXIT_CODES
    max_attempts: int | None = None
    oom_memory_factor: float | None = None
    oom_max_ram_gb: float | None = None
    max_run_time: timedelta | None = None
    max_queue_time: timedelta | None = None


NO_PARAMETERS = AttemptParameters()


def parse_exit_codes(text: str) -> ExitCodes:
    """Read ``137,1-3``; "" is none.

    Raises:
        ValueError: For people.
    """
    ranges = []
    for part in text.split(",") if text.strip() else ():
        found = _RANGE.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last <= _LAST_CODE:
            msg = f"must be codes or ranges from 1 to {_LAST_CODE}, as in 137,1-3"
            raise ValueError(msg)
        ranges.append((first, last))
    if len(ranges) > _MOST_RANGES:
        msg = f"must have at most {_MOST_RANGES} codes and ranges"
        raise ValueError(msg)
    return ExitCodes(ranges)


def _parse_given_codes(text: str) -> ExitCodes:
    if not (codes := parse_exit_codes(text)):
        raise ValueError("must name at least one exit code")
    return codes


def _parse_attempts(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_ATTEMPTS):
        msg = f"must be a whole number from 1 to {MOST_ATTEMPTS}"
        raise ValueError(msg)
    return int(text)


def _parse_factor(text: str) -> float:
    factor = _number(text)
    if not 1 < factor <= _MOST_FACTOR:
        msg = f"must be a number above 1, at most {_MOST_FACTOR:g}"
        raise ValueError(msg)
    return factor


def _parse_ram(text: str) -> float:
    ram = _number(text)
    if not 0 < ram <= _MOST_RAM_GB:
        raise ValueError("must be a number of GiB above 0")
    return ram


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _parse_time(text: str) -> timedelta:
    found = _TIME.fullmatch(text)
    time = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not timedelta() < time <= _LONGEST:
        msg = (
            "must be a whole number of seconds above 0, or of minutes, hours or days"
            f" as in 90m, 12h, 3d; at most {_LONGEST.days}d"
        )
        raise ValueError(msg)
    return time


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "retry_on_exit_codes": _parse_given_codes,
    "max_attempts": _parse_attempts,
    "oom_memory_factor": _parse_factor,
    "oom_max_ram_gb": _parse_ram,
    "max_run_time": _parse_time,
    "max_queue_time": _parse_time,
}

ATTEMPT_PARAMETERS = tuple(_PARSERS)
"""The keys, in lower case."""


def given_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return those of a task's backend parameters that are read here, in lower case."""
    return {
        key.lower(): value
        for key, value in parameters.items()
        if key.lower() in _PARSERS
    }


def parameter_violations(parameters: Mapping[str, str]) -> Iterator[Violation]:
    """Yield what is wrong with those of a task's backend parameters."""
    given = {key.lower() for key in parameters}
    for key, value in parameters.items():
        try:
            if parse := _PARSERS.get(key.lower()):
                parse(value)
        except ValueError as error:
            yield Violation(_path(key), str(error))
    if "oom_max_ram_gb" in given and "oom_memory_factor" not in given:
        yield Violation(
            _path("oom_max_ram_gb"), "has no effect without oom_memory_factor"
        )


def parse_parameters(parameters: Mapping[str, str]) -> AttemptParameters:
    """Read those of a task's backend parameters, whose values are valid.

    Raises:
        ValueError: One is not.
    """
    given = given_parameters(parameters)
    if not given:
        return NO_PARAMETERS
    return AttemptParameters(
        **{key: _PARSERS[key](value) for key, value in given.items()}
    )


def _path(key: str) -> str:
    return f"resources.backend_parameters.{key[:64]}"
