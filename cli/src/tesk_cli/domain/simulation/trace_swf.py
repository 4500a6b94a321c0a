"""Reads the Standard Workload Format, in which logs of many clusters are published.

A line has 18 numbers; -1 stands for what is not known; a line that begins with ``;``
is a comment. A job becomes a task of ``user<id>`` in ``group<id>`` that asks for the
requested processors and memory, or for what it got if no request was logged.

Source: Parallel Workloads Archive, "The Standard Workload Format", version 2.2.
"""

from collections.abc import Iterable, Sequence

from tesk_cli.domain.simulation.trace import (
    LineError,
    Trace,
    TraceJob,
    number_of,
    read_trace,
)
from tesk_scheduler.domain.dimensions import CPU, RAM, TaskField

_FIELDS = 18
# Fields, counted from 0.
_SUBMIT, _RUN, _ALLOCATED, _USED_MEMORY = 1, 3, 4, 6
_REQUESTED, _REQUESTED_MEMORY, _STATUS, _USER, _GROUP = 7, 9, 10, 11, 12
# A job that was checkpointed has a line for each part beside that of the whole.
_PARTS = {2, 3, 4}
_CANCELED = 5

_KIB_PER_GIB = 1024 * 1024
_UNKNOWN = -1


def parse_swf(lines: Iterable[str]) -> Trace:
    """Read a file of the format.

    Jobs that were canceled before they ran, and those whose run time or processors
    are not known, are left out and counted.

    Raises:
        InvalidRequestError: The message names the line.
    """
    # An empty line in place of a comment keeps the numbers of lines.
    kept = ("" if line.lstrip().startswith(";") else line for line in lines)
    return read_trace(kept, _parse_line)


def _parse_line(line: str) -> TraceJob | None:
    numbers = _numbers(line)
    processors = _first_known(numbers, _REQUESTED, _ALLOCATED)
    run_time, status = numbers[_RUN], numbers[_STATUS]
    is_part = status in _PARTS
    never_ran = status == _CANCELED and run_time <= 0
    if is_part or never_ran or processors is None or run_time < 0:
        return None
    resources = {_name(CPU.field): processors}
    memory = _first_known(numbers, _REQUESTED_MEMORY, _USED_MEMORY)
    if memory is not None:
        resources[_name(RAM.field)] = memory * processors / _KIB_PER_GIB
    group = numbers[_GROUP]
    return TraceJob(
        submitted=number_of("field 2 (submit time)", max(numbers[_SUBMIT], 0)),
        owner=f"user{numbers[_USER]:.0f}",
        run_time=number_of("field 4 (run time)", run_time),
        resources=resources,
        groups=() if group == _UNKNOWN else (f"group{group:.0f}",),
    )


def _numbers(line: str) -> Sequence[float]:
    cells = line.split()
    if len(cells) != _FIELDS:
        msg = (
            f"has {len(cells)} fields; the Standard Workload Format has {_FIELDS}:"
            " a file of another format needs a name that does not end in .swf"
        )
        raise LineError(msg)
    numbers = []
    for index, cell in enumerate(cells, 1):
        if cell.startswith("-1"):
            numbers.append(float(_UNKNOWN))
        else:
            numbers.append(number_of(f"field {index}", cell, most=2.0**53))
    return numbers


def _first_known(numbers: Sequence[float], *fields: int) -> float | None:
    return next((numbers[field] for field in fields if numbers[field] > 0), None)


def _name(field: TaskField | None) -> str:
    if field is None:
        raise ValueError("tasks do not ask for it")
    return field.name
