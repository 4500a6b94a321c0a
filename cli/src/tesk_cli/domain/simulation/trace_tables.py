"""Reads TESK's own traces: CSV with a header, or one JSON object in each line.

Both have the same fields::

    submitted,owner,run_time,cpu_cores,ram_gb,groups,priority
    0,alice,3600,4,16,genomics,
    12.5,bob,60,1,2,,high

``submitted``, ``owner`` and ``run_time`` must be there. Times are seconds; resources
have the names of TES. Several groups are separated by ``;`` in CSV, and are a list in
JSON.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from tesk_cli.domain.simulation.trace import (
    LineError,
    Trace,
    TraceJob,
    number_of,
    read_trace,
    trace_error,
)
from tesk_scheduler.domain.dimensions import ASKED

_RESOURCES = tuple(each.field.name for each in ASKED if each.field)
_REQUIRED = ("submitted", "owner", "run_time")
FIELDS = (*_REQUIRED, *_RESOURCES, "groups", "priority")

_MOST = 2.0**31  # of any resource
_MAX_GROUPS = 100


def parse_table(lines: Iterable[str]) -> Trace:
    """Read CSV, or JSON lines if the first character is ``{``.

    Raises:
        InvalidRequestError: The message names the line.
    """
    rest = iter(lines)
    first = next(rest, "").removeprefix("\ufeff")
    if first.lstrip().startswith("{"):
        return read_trace(chain([first], rest), _parse_json)
    names = _header(first)
    return read_trace(rest, lambda line: _parse_row(names, line), first=2)


def _header(line: str) -> Sequence[str]:
    names = [name.strip() for name in _cells(line)]
    missing = [name for name in _REQUIRED if name not in names]
    unknown = [name[:40] for name in names if name not in FIELDS]
    if missing:
        problem = (
            f"is the header of a CSV file and must name {', '.join(missing)};"
            " a file of the Standard Workload Format needs a name that ends in .swf"
        )
        raise trace_error(problem, line=1)
    if unknown or len(set(names)) < len(names):
        problem = f"must name each of these at most once: {', '.join(FIELDS)}"
        wrong = f"; {unknown[0]!r} is none of them" if unknown else ""
        raise trace_error(problem + wrong, line=1)
    return names


def _parse_row(names: Sequence[str], line: str) -> TraceJob:
    cells = _cells(line)
    if len(cells) != len(names):
        msg = f"has {len(cells)} fields, but the header {len(names)}"
        raise LineError(msg)
    values = dict(zip(names, map(str.strip, cells), strict=True))
    groups = [each.strip() for each in values.get("groups", "").split(";")]
    given = {name: value for name, value in values.items() if value}
    return _job({**given, "groups": [each for each in groups if each]})


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise LineError(f"is no CSV: {error}") from error


def _parse_json(line: str) -> TraceJob:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise LineError("must be a JSON object")
    unknown = [str(name)[:40] for name in values if name not in FIELDS]
    if unknown:
        msg = f"{unknown[0]!r} is none of {', '.join(FIELDS)}"
        raise LineError(msg)
    return _job({name: each for name, each in values.items() if each is not None})


def _job(values: Mapping[str, Any]) -> TraceJob:
    for name in _REQUIRED:
        if name not in values:
            msg = f"{name} is missing"
            raise LineError(msg)
    groups = values.get("groups", [])
    if not isinstance(groups, list) or len(groups) > _MAX_GROUPS:
        msg = f"groups must be a list of at most {_MAX_GROUPS} names"
        raise LineError(msg)
    return TraceJob(
        submitted=number_of("submitted", values["submitted"]),
        owner=str(values["owner"]),
        run_time=number_of("run_time", values["run_time"]),
        resources={
            name: number_of(name, values[name], most=_MOST)
            for name in _RESOURCES
            if name in values
        },
        groups=tuple(map(str, groups)),
        priority=str(values.get("priority", "")),
    )
