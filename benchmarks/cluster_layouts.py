"""What a task costs in each layout, beside bare Jobs of the same run, and its targets.

One TESK has all layouts: each task asks for its own. The order of steps in a pod is a
setting, so that TESK is upgraded between the orders; Jobs are measured with both.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cluster.kube import name_of
from cluster_bench import LAYOUTS, TRUE, Bench

Row = tuple[str, ...]

ORDERS = ("together", "sequence")
_TRIVIAL = "trivial task"
_MOVING = "task with an input and an output"
_TARGETS = {  # of a single task, to bare Jobs that do as much
    (_TRIVIAL, "jobs"): 0.3,
    (_TRIVIAL, "pod"): 0.3,
    (_MOVING, "jobs"): 0.6,
    (_MOVING, "pod"): 0.3,
}
_FEW, _MANY = 30, 200
_TICK = os.sysconf("SC_CLK_TCK")
_IDLE_FIELDS = (3, 4)  # of /proc/stat: idle, and idle while a disk is waited for
_GUEST_FIELDS = (8, 9)  # counted as user, too


def single(bench: Bench) -> Iterator[Row]:
    """Measure single tasks in each layout, in turns with what they are compared with."""
    runs = 2 if bench.quick else 5
    for order in ORDERS:
        _choose(bench, order)
        for work, body in _bodies(bench).items():
            asked = {layout: _in(layout, body) for layout in LAYOUTS}
            for task in asked.values():
                bench.latency(task)
            bare: list[float] = []
            found: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
            for _ in range(runs):
                bare.append(bench.jobs.run_in_sequence(_jobs_of(work)))
                for layout, task in asked.items():
                    found[layout].append(bench.latency(task))
            middle = statistics.median(bare)
            yield (
                work,
                order,
                f"{middle:.2f}",
                *(
                    _compared(seconds, middle, _TARGETS[work, layout])
                    for layout, seconds in found.items()
                ),
            )


def _compared(seconds: list[float], bare: float, target: float) -> str:
    middle = statistics.median(seconds)
    return f"{middle:.2f} ({middle / bare:.2f}, ≤ {target})"


def at_once(bench: Bench) -> Iterator[Row]:
    """Measure many tasks at once in each layout: time, and all CPU of the node."""
    idle = 30
    before = _node_cpu(bench)
    time.sleep(idle)
    yield ("nothing", f"{idle}", f"{_node_cpu(bench) - before:.0f}", *("",) * 4)
    for count in (6,) if bench.quick else (_FEW, _MANY):
        for work, body in _bodies(bench).items():
            yield from _tasks_at_once(bench, work, body, count)


def _tasks_at_once(
    bench: Bench, work: str, body: Mapping[str, Any], count: int
) -> Iterator[Row]:
    waves = _jobs_of(work)
    bare, used = _cost(bench, partial(_bare_waves, bench, count, waves))
    name = f"{count} bare Jobs" + (f", {waves} times" if waves > 1 else "")
    yield (name, f"{bare:.1f}", f"{used:.0f}", *("",) * 4)
    jobs: tuple[float, float] | None = None
    for order in ORDERS if count < _MANY else ORDERS[:1]:
        _choose(bench, order)
        for layout in LAYOUTS if jobs is None else ("pod",):
            asked = _in(layout, body)
            bench.latency(asked)
            seconds, used = _cost(bench, partial(bench.at_once, asked, count))
            jobs = jobs or (seconds, used)
            name = "`jobs`" if layout == "jobs" else f"`pod`, {order}"
            yield (
                f"{count} x {work}, {name}",
                f"{seconds:.1f}",
                f"{used:.0f}",
                f"{seconds / jobs[0]:.2f}",
                f"{used / jobs[1]:.2f}",
                f"{bare / seconds:.2f}",
                _target_at_once(count, work, layout),
            )


def _target_at_once(count: int, work: str, layout: str) -> str:
    if layout == "jobs":
        has_target = count == _MANY and work == _TRIVIAL
        return "tasks/s ≥ 0.9 x bare Jobs" if has_target else ""
    if work != _MOVING:
        return ""
    if count == _MANY:
        return "tasks/s ≥ 1.5 x three bare Jobs"
    return "time ≤ 0.55, CPU ≤ 0.6 x Jobs"


def _bodies(bench: Bench) -> dict[str, dict[str, Any]]:
    return {_TRIVIAL: {"executors": [TRUE]}, _MOVING: bench.moving_task()}


def _jobs_of(work: str) -> int:
    """Return how many bare Jobs do what the steps of a task do."""
    return 3 if work == _MOVING else 1


def _in(layout: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task that asks for a layout, and does not run without."""
    resources = {
        "backend_parameters": {"layout": layout},
        "backend_parameters_strict": True,
    }
    return {**body, "resources": resources}


def _choose(bench: Bench, order: str) -> None:
    bench.release.upgrade({"taskmaster": {"pod": {"order": order}}})
    bench.warm_up()


def _bare_waves(bench: Bench, count: int, waves: int) -> float:
    return sum(bench.jobs.run_at_once(count) for _ in range(waves))


def _cost(bench: Bench, work: Callable[[], float]) -> tuple[float, float]:
    """Return the seconds of some work, and the CPU time until nothing is left of it."""
    bench.release.wait_until_clean()
    before = _node_cpu(bench)
    seconds = work()
    bench.release.wait_until_clean(within=300)
    return seconds, _node_cpu(bench) - before


def _node_cpu(bench: Bench) -> float:
    """Return the CPU time of all that runs on the node of the scheduler."""
    namespace = bench.release.namespace
    (scheduler,) = bench.release.component("scheduler")
    text = bench.kube.execute(namespace, name_of(scheduler), "cat", "/proc/stat")
    ticks = [int(each) for each in text.splitlines()[0].split()[1:]]
    left_out = (*_IDLE_FIELDS, *_GUEST_FIELDS)
    return sum(n for at, n in enumerate(ticks) if at not in left_out) / _TICK


TABLES = {
    "Layouts on a cluster, single tasks": (
        (
            "work",
            "order of `pod`",
            "bare Jobs, seconds",
            "`jobs` (to bare Jobs, target)",
            "`pod`",
        ),
        single,
    ),
    "Layouts on a cluster, many tasks at once": (
        (
            "at once",
            "seconds",
            "CPU s of the node",
            "time, to `jobs`",
            "CPU, to `jobs`",
            "tasks/s, to bare Jobs",
            "target",
        ),
        at_once,
    ),
}
