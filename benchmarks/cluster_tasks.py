"""What tasks cost on a cluster, against bare Jobs of the same run.

TESK is installed from the chart in a namespace of its own, with the images that
the cluster has. Figures are those of the whole way: a client that asks every
20 ms, against one that asks for a bare Job as often.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from api_requests import VERBS
from cluster_bench import SERVICES, TRUE, Bench
from pod_usage import cpu_seconds, memory_mib, peak_mib

Row = tuple[str, ...]

_PACKED = 20  # tasks of one taskmaster, the chart's default


def latencies(bench: Bench) -> Iterator[Row]:
    """Measure single tasks, each beside what it is compared with."""
    runs = 4 if bench.quick else 10
    trivial = {"executors": [TRUE]}
    bench.latency(trivial)
    bare, warm, cold = [], [], []
    for _ in range(runs):
        bare.append(bench.jobs.run())
        warm.append(bench.latency(trivial))
    complete = [each.complete for each in bare]
    yield (
        "bare Job, to the end of its container",
        _spread([j.ended for j in bare]),
        "",
        "",
    )
    yield ("bare Job, to Complete", _spread(complete), "", "")
    yield _compared("trivial task, warm", warm, complete, "≤ 0.9 x a bare Job")
    for _ in range(max(2, runs // 3)):
        bench.wait_until_cold()
        cold.append(bench.latency(trivial))
    yield _compared("trivial task, cold: no taskmaster", cold, complete, "")

    three, both = [], []
    moving = bench.moving_task()
    bench.latency(moving)
    for _ in range(max(2, runs // 2)):
        three.append(bench.jobs.run_in_sequence(3))
        both.append(bench.latency(moving))
    yield ("three bare Jobs in sequence", _spread(three), "", "")
    yield _compared(
        "task with an input and an output", both, three, "≤ 1.0 x three bare Jobs"
    )


def waves(bench: Bench) -> Iterator[Row]:
    """Measure many tasks at once: how fast, and what TESK uses for it."""
    kube, namespace = bench.kube, bench.release.namespace
    for count in (20,) if bench.quick else (50, 200):
        bare = count / bench.jobs.run_at_once(count)
        bench.wait_until_cold()
        schedulers = bench.release.component("scheduler")
        before = cpu_seconds(kube, namespace, schedulers)
        tasks = count / bench.at_once({"executors": [TRUE]}, count)
        masters = bench.taskmasters()
        used = cpu_seconds(kube, namespace, [*schedulers, *masters]) - before
        peaks = peak_mib(kube, namespace, masters)
        yield (
            f"{count} trivial tasks",
            f"{tasks:.1f}",
            f"{bare:.1f}",
            f"{used / count * 1000:.0f}",
            f"{max(peak_mib(kube, namespace, schedulers)):.0f}",
            f"{len(peaks)} x {max(peaks):.0f}",
        )


def packed(bench: Bench) -> Iterator[Row]:
    """Measure one taskmaster that runs as many tasks as it takes."""
    bench.wait_until_cold()
    bench.warm_up()
    (master,) = bench.taskmasters()
    namespace = bench.release.namespace
    (idle,) = memory_mib(bench.kube, namespace, [master])
    sleep = {"executors": [{"image": "busybox:1.35", "command": ["sleep", "600"]}]}
    ids = [bench.release.create(sleep) for _ in range(_PACKED)]
    for task_id in ids:
        bench.release.wait_for(task_id, "RUNNING", within=120, every=0.2)
    busy = memory_mib(bench.kube, namespace, bench.taskmasters())
    for task_id in ids:
        bench.release.cancel(task_id)
    for task_id in ids:
        bench.release.finish(task_id, within=120, every=0.2)
    yield ("one taskmaster, idle", f"{idle:.0f}", "")
    yield (f"{_PACKED} running tasks", f"{sum(busy):.0f} in {len(busy)} pod(s)", "")
    yield ("per running task, all of it", f"{sum(busy) / _PACKED:.1f}", "≤ 5")
    growth = (sum(busy) - idle) / _PACKED
    yield ("per running task, above idle", f"{growth:.2f}", "")


def requests(bench: Bench) -> Iterator[Row]:
    """Count what TESK asks of the API server, for each task."""
    count = 10 if bench.quick else 20
    moving = bench.moving_task()
    bench.wait_until_cold()
    idle = 30
    before = bench.requests.count()
    time.sleep(idle)
    used = bench.requests.count() - before
    yield _verbs(f"nothing, for {idle} s", used, 1)
    for name, body in (
        ("a trivial task", {"executors": [TRUE]}),
        ("a task with an input and an output", moving),
    ):
        bench.warm_up()
        before = bench.requests.count()
        bench.at_once(body, count)
        bench.release.wait_until_clean()
        yield _verbs(
            f"{name} (of {count} at once)", bench.requests.count() - before, count
        )


def _verbs(name: str, used: Any, count: int) -> Row:
    sums = [sum(used[service, verb] for service in SERVICES) for verb in VERBS]
    return (name, *(f"{each / count:.1f}" for each in sums), f"{sum(sums) / count:.1f}")


def _compared(name: str, values: list[float], with_: list[float], target: str) -> Row:
    ratio = statistics.median(values) / statistics.median(with_)
    return (name, _spread(values), f"{ratio:.2f}", target)


def _spread(seconds: list[float]) -> str:
    return (
        f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    )


TABLES = {
    "Tasks on a cluster": (
        ("work", "seconds", "ratio", "target"),
        latencies,
    ),
    "Many tasks on a cluster": (
        (
            "at once",
            "tasks/s",
            "bare Jobs/s",
            "CPU ms each",
            "scheduler, peak MiB",
            "taskmasters, peak MiB",
        ),
        waves,
    ),
    "Memory of a taskmaster on a cluster": (("what", "MiB (PSS)", "target"), packed),
    "Requests to the API server of Kubernetes": (
        ("TESK's own, for", *VERBS, "all"),
        requests,
    ),
}
