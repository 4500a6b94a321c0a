"""What tasks cost on a cluster, against bare Jobs of the same run.

TESK is installed from the chart in a namespace of its own, with the images that
the cluster has. Figures are those of the whole way: a client that asks every
20 ms, against one that asks for a bare Job as often.
"""

import os
import secrets
import statistics
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from api_requests import VERBS, ApiRequests, counted_requests
from bare_jobs import BareJobs
from cluster.gates import Gates, gates_in
from cluster.kube import Kube, is_ready
from cluster.release import Release, installed
from cluster.values import merged, shared_values
from pod_memory import memory_mib, peak_mib
from waiting import eventually

Row = tuple[str, ...]

_EVERY = 0.02
# Long enough for a warm one to be there after a bare Job, short enough to wait for.
_IDLE_SECONDS = 15
_PACKED = 20  # tasks of one taskmaster, the chart's default
_SERVICES = ("scheduler", "taskmaster")
_ROOT = Path(__file__).resolve().parent.parent
_TRUE = {"image": "busybox:1.35", "command": ["true"]}


def why_not() -> str:
    """Say why nothing can be measured; "" if it can."""
    try:
        kube = Kube()
    except ConfigException as error:
        return f"no cluster: {error}"
    try:
        kube.call("GET", "/readyz", query={"verbose": "false"})
    except HTTPError as error:
        return f"the cluster of KUBECONFIG does not answer: {error}"
    except ValueError:  # "ok" is no JSON
        return ""
    finally:
        kube.close()
    return ""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured on.

    Attributes:
        jobs: Makes bare Jobs, where no task runs.
        quick: Fewer runs.
    """

    kube: Kube
    release: Release
    gates: Gates
    jobs: BareJobs
    requests: ApiRequests
    quick: bool

    def taskmasters(self) -> list[dict[str, Any]]:
        """Return the pods of taskmasters."""
        return [pod for pod in self.release.component("taskmaster") if is_ready(pod)]

    def wait_until_cold(self) -> None:
        """Wait until there is no taskmaster."""
        eventually(
            lambda: not self.release.component("taskmaster"), within=90, every=0.2
        )

    def warm_up(self) -> None:
        """Have a taskmaster that has run a task and has nothing to do."""
        self.latency({"executors": [_TRUE]})
        self.release.wait_until_clean()
        time.sleep(2)  # until it has told that it is free again

    def latency(self, body: dict[str, Any]) -> float:
        """Return seconds from POST to COMPLETE."""
        started = time.perf_counter()
        task_id = self.release.create(body)
        task = self.release.finish(task_id, within=120, every=_EVERY)
        seconds = time.perf_counter() - started
        _check(task)
        return seconds

    def at_once(self, body: dict[str, Any], count: int) -> float:
        """Return seconds from the first POST until all are COMPLETE."""
        tag = f"wave-{time.time_ns()}"
        started = time.perf_counter()
        ids = [
            self.release.create(body | {"tags": {"wave": tag}}) for _ in range(count)
        ]
        query: dict[str, str | int] = {
            "page_size": count,
            "tag_key": "wave",
            "tag_value": tag,
            "state": "COMPLETE",
        }

        def all_complete() -> bool:
            answer = self.release.client.get("/tasks", params=query)
            return len(answer.json()["tasks"]) == count

        eventually(all_complete, within=900, every=0.25, what=f"the end of {ids[-1]}")
        return time.perf_counter() - started

    def moving_task(self) -> dict[str, Any]:
        """Return a task with an input and an output, from and to a web server."""
        source = self.gates.put("bench/in", b"x" * 100_000)
        return {
            "inputs": [{"path": "/in/a", "url": source}],
            "executors": [
                {"image": "busybox:1.35", "command": ["cp", "/in/a", "/out/b"]}
            ],
            "outputs": [{"path": "/out/b", "url": f"{self.gates.url}/bench/out"}],
        }


@contextmanager
def measured_cluster(*, quick: bool) -> Iterator[Bench]:
    """Give a TESK of its own, with room for as many tasks as the node has pods."""
    kube = Kube()
    name = f"tesk-bench-{secrets.token_hex(3)}"
    tag = os.environ.get("TESK_IMAGES_TAG") or _version()
    values = merged(
        shared_values(tag=tag, s3_endpoint=""),
        {
            "storage": {"s3": {"existingSecret": ""}},
            "scheduler": {"leaseSeconds": 30},
            "taskmaster": {"idleSeconds": _IDLE_SECONDS, "liveIntervalSeconds": 2},
            "quota": {"capacity": {"running": _free_pods(kube) - 15}},
            "log": {"level": "warning"},
        },
    )
    with ExitStack() as stack:
        stack.callback(kube.close)
        servers = f"{name}-servers"
        kube.make_namespace(servers)
        stack.callback(kube.delete, "namespaces", "", servers)
        gates = stack.enter_context(gates_in(kube, servers, f"tesk-filer:{tag}"))
        release = stack.enter_context(installed(kube, name, values))
        release.connect()
        requests = stack.enter_context(
            counted_requests(
                f"{name}-", name, {each: f"tesk-{each}" for each in _SERVICES}
            )
        )
        yield Bench(
            kube=kube,
            release=release,
            gates=gates,
            jobs=BareJobs(kube, servers),
            requests=requests,
            quick=quick,
        )


def latencies(bench: Bench) -> Iterator[Row]:
    """Measure single tasks, each beside what it is compared with."""
    runs = 4 if bench.quick else 10
    trivial = {"executors": [_TRUE]}
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
    """Measure many tasks at once: how fast, and with how much memory."""
    for count in (20,) if bench.quick else (50, 200):
        bare = count / bench.jobs.run_at_once(count)
        tasks = count / bench.at_once({"executors": [_TRUE]}, count)
        masters = bench.taskmasters()
        peaks = peak_mib(bench.kube, bench.release.namespace, masters)
        (scheduler,) = peak_mib(
            bench.kube, bench.release.namespace, bench.release.component("scheduler")
        )
        yield (
            f"{count} trivial tasks",
            f"{tasks:.1f}",
            f"{bare:.1f}",
            f"{scheduler:.0f}",
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
        ("a trivial task", {"executors": [_TRUE]}),
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
    sums = [sum(used[service, verb] for service in _SERVICES) for verb in VERBS]
    return (name, *(f"{each / count:.1f}" for each in sums), f"{sum(sums) / count:.1f}")


def _compared(name: str, values: list[float], with_: list[float], target: str) -> Row:
    ratio = statistics.median(values) / statistics.median(with_)
    return (name, _spread(values), f"{ratio:.2f}", target)


def _spread(seconds: list[float]) -> str:
    return (
        f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    )


def _check(task: dict[str, Any]) -> None:
    if task["state"] != "COMPLETE":
        message = f"a task of the benchmark failed: {task}"
        raise RuntimeError(message)


def _free_pods(kube: Kube) -> int:
    nodes = kube.list("nodes", "")
    room = sum(int(node["status"]["allocatable"]["pods"]) for node in nodes)
    pods = kube.call("GET", "/api/v1/pods")["items"]
    return room - sum(pod["status"]["phase"] in ("Pending", "Running") for pod in pods)


def _version() -> str:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


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
