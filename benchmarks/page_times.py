"""Measures the pages of the browser at growing numbers of tasks."""

import statistics
from collections.abc import Iterator, Mapping
from math import inf
from typing import NamedTuple

from load import Request, run_load
from processes import cpu_seconds
from programs.stack import Stack
from server import fill, services

Row = tuple[str, ...]
HEADER: Row = (
    "page",
    "1,000 tasks, ms (p50)",
    "CPU ms",
    "100,000 tasks, ms (p50)",
    "CPU ms",
    "target",
)
_TARGETS = {"list": "200 ms at 100,000"}


class _Look(NamedTuple):
    """How a page is asked for: how often, how often before that, at most how fast."""

    path: str
    times: int = 20
    before: int = 3
    per_second: float = inf


def rows(stack: Stack, *, quick: bool) -> Iterator[Row]:
    """Give a row for each page; ``quick`` has 10,000 tasks instead of 100,000."""
    found: dict[str, Row] = {}
    filled = 0
    for size in (1_000, 10_000 if quick else 100_000):
        ids = fill(stack, size - filled, filled)
        filled = size
        for task_id in ids[:100]:
            stack.cancel(task_id)
        for name, look in _looks(ids[0]).items():
            found[name] = (*found.get(name, ()), *_measure(stack, look))
    for name, cells in found.items():
        yield (name, *cells, _TARGETS.get(name, ""))


def _looks(task_id: str) -> Mapping[str, _Look]:
    return {
        "list": _Look("/web/tasks"),
        "list, state=CANCELED": _Look("/web/tasks?state=CANCELED"),
        "list, tag of 10 tasks": _Look("/web/tasks?tag=ten%3Dyes"),
        "list, name_prefix of 1 %": _Look("/web/tasks?name_prefix=rare-"),
        "one task": _Look(f"/web/tasks/{task_id}"),
        "submit": _Look("/web/submit"),
        # All intervals are counted, once.
        "load of 24 h, the first look": _Look("/web/load?hours=24", times=1, before=0),
        "load, renewed every 4 s": _Look("/web/load", times=6, per_second=0.25),
        "load, by many": _Look("/web/load"),
    }


def _measure(stack: Stack, look: _Look) -> Row:
    """Return the median time and the CPU time of all services, each in ms."""
    request = Request("GET", look.path)
    if look.before:
        run_load(stack.port, request, connections=1, requests=look.before)
    pids = [pid for part in services(stack).values() for pid in part]
    used = cpu_seconds(pids)
    load = run_load(
        stack.port,
        request,
        connections=1,
        requests=look.times,
        per_second=look.per_second,
    )
    used = cpu_seconds(pids) - used
    assert not load.failures, f"{look.path}: {load.failures} failures"
    median = statistics.median(load.latencies)
    # What the services do by themselves in a pause is no cost of a page.
    cpu = f"{used / look.times * 1000:.0f}" if look.per_second == inf else ""
    return (f"{median * 1000:.0f}", cpu)
