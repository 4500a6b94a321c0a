"""What came of many tasks at once, and the rows of the tables about it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api_requests import VERBS

Row = tuple[str, ...]

COMPONENTS = ("api", "scheduler", "taskmaster")
_WRITES = ("create", "delete", "update", "patch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Tasks that are posted at once, and what came of them.

    Attributes:
        seconds: From the first POST until all are COMPLETE.
        cpu: Seconds of each component.
        peaks: Most resident memory of each pod, in MiB, by component.
        requests: To the API server of Kubernetes, by verb.
        once: Those that create a pod of a taskmaster or the inspection of an image:
            more tasks do not need more of them.
        busy: Answers to POST that said to come back later.
        events: Versions of the tasks' objects, each of which a taskmaster gets.
        delays: Seconds from the end of a task's last pod to the task's own, sorted.
    """

    count: int
    layout: str
    seconds: float
    cpu: Mapping[str, float]
    peaks: Mapping[str, Sequence[float]]
    requests: Mapping[str, int]
    once: int
    busy: int
    events: int
    delays: Sequence[float]


COSTS = (
    "at once",
    "layout",
    "tasks/s",
    "CPU ms each: api",
    "scheduler",
    "taskmasters",
    "all",
    "scheduler, peak MiB",
    "taskmasters, peak MiB",
    "a task",
    "pod's end to task's, s: p50",
    "p99",
    "busy answers",
)
REQUESTS = (
    "at once",
    "layout",
    *VERBS,
    "writes of tasks",
    "and once, in all",
    "all",
    "watch events",
)


def costs(wave: Wave) -> Row:
    """Return the row of time, CPU and memory."""
    cpu = {name: wave.cpu[name] / wave.count * 1000 for name in COMPONENTS}
    masters = wave.peaks["taskmaster"]
    cut = statistics.quantiles(wave.delays, n=100, method="inclusive")
    return (
        f"{wave.count:,}",
        wave.layout,
        f"{wave.count / wave.seconds:.1f}",
        *(f"{each:.0f}" for each in cpu.values()),
        f"{sum(cpu.values()):.0f}",
        f"{max(wave.peaks['scheduler']):.0f}",
        f"{len(masters)} x {max(masters):.0f}",
        f"{sum(masters) / wave.count:.1f}",
        f"{cut[49]:.2f}",
        f"{cut[98]:.2f}",
        f"{wave.busy}",
    )


def requests(wave: Wave) -> Row:
    """Return the row of requests, for each task."""
    each = {verb: wave.requests[verb] / wave.count for verb in VERBS}
    return (
        f"{wave.count:,}",
        wave.layout,
        *(f"{value:.2f}" for value in each.values()),
        f"{sum(each[verb] for verb in _WRITES) - wave.once / wave.count:.2f}",
        f"{wave.once}",
        f"{sum(each.values()):.2f}",
        f"{wave.events / wave.count:.1f}",
    )
