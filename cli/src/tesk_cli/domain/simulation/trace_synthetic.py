"""Makes up traces: ``synthetic:owners=3,tasks=1000,seed=1``.

The same text makes the same trace. Times between submissions are exponential with
mean ``every``; ranges such as ``cpu=1-8`` are uniform, those of ``run`` by their
logarithm, since short tasks are more frequent than long ones.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any

from tesk_cli.domain.simulation.trace import (
    LONGEST,
    MAX_JOBS,
    LineError,
    Trace,
    TraceJob,
    in_order,
    number_of,
    trace_error,
)
from tesk_scheduler.domain.dimensions import CPU, GPU, RAM

PREFIX = "synthetic:"
_MOST = 2.0**31
_MAX_OWNERS = 10_000


@dataclass(frozen=True, slots=True)
class _Range:
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What is made up; times in seconds.

    Attributes:
        groups: Owners are spread evenly over so many; 0: none.
        skew: How unequal owners are: owner *n* has ``n^-skew`` of the tasks.
        every: Mean time between two submissions; 0: all at once.
        run: Run times.
    """

    owners: int = 3
    tasks: int = 1000
    groups: int = 0
    skew: float = 0.0
    every: float = 10.0
    run: _Range = _Range(60, 3600)
    cpu: _Range = _Range(1, 1)
    ram_gb: _Range = _Range(2, 2)
    gpu: _Range = _Range(0, 0)
    seed: int = 1


_NAMES = tuple(each.name for each in fields(_Shape))


def parse_synthetic(text: str) -> Trace:
    """Make up the trace that ``text`` describes.

    Args:
        text: What follows ``synthetic:``.

    Raises:
        InvalidRequestError: The message names the part that is wrong.
    """
    try:
        shape = _Shape(**_given(text))
        _check(shape)
    except LineError as error:
        raise trace_error(f"{PREFIX} {error}") from error
    return Trace(jobs=in_order(_jobs(shape)))


def _given(text: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if name not in _NAMES or not equals or name in given:
            msg = f"{part[:40]!r} must be NAME=VALUE, each once, of {', '.join(_NAMES)}"
            raise LineError(msg)
        given[name] = _value(name, value)
    return given


def _value(name: str, text: str) -> _Range | float | int:
    if name in ("owners", "tasks", "groups", "seed"):
        number = number_of(name, text, most=_MOST)
        if number != int(number):
            msg = f"{name} must be a whole number"
            raise LineError(msg)
        return int(number)
    if name in ("skew", "every"):
        return number_of(name, text, most=10 if name == "skew" else LONGEST)
    least, dash, most = text.partition("-")
    low = number_of(name, least, most=_MOST)
    high = number_of(name, most, most=_MOST) if dash else low
    if high < low:
        msg = f"{name}={text[:40]} must not begin with the larger number"
        raise LineError(msg)
    return _Range(low, high)


def _check(shape: _Shape) -> None:
    for name, least, most in (
        ("owners", 1, _MAX_OWNERS),
        ("tasks", 1, MAX_JOBS),
        ("groups", 0, _MAX_OWNERS),
    ):
        if not least <= getattr(shape, name) <= most:
            msg = f"{name} must be from {least} to {most:,}"
            raise LineError(msg)
    if shape.run.least < 1:
        raise LineError("run must begin with 1 second or more")


def _jobs(shape: _Shape) -> list[TraceJob]:
    chance = random.Random(shape.seed)  # noqa: S311 - to simulate, not to hide
    parts = list(accumulate(n**-shape.skew for n in range(1, shape.owners + 1)))
    now = 0.0
    jobs = []
    for _ in range(shape.tasks):
        [owner] = chance.choices(range(shape.owners), cum_weights=parts)
        group = f"group{owner % shape.groups + 1}" if shape.groups else ""
        jobs.append(
            TraceJob(
                submitted=now,
                owner=f"owner{owner + 1}",
                run_time=_log_uniform(chance, shape.run),
                resources=_resources(chance, shape),
                groups=(group,) if group else (),
            )
        )
        now += chance.expovariate(1 / shape.every) if shape.every else 0.0
    return jobs


def _resources(chance: random.Random, shape: _Shape) -> Mapping[str, float]:
    ranges = ((CPU, shape.cpu), (RAM, shape.ram_gb), (GPU, shape.gpu))
    return {
        each.field.name: float(round(chance.uniform(of.least, of.most)))
        if of.least != of.most
        else of.least
        for each, of in ranges
        if each.field and of.most
    }


def _log_uniform(chance: random.Random, of: _Range) -> float:
    return math.exp(chance.uniform(math.log(of.least), math.log(of.most)))
