"""What many tasks at once cost, on simulated nodes.

Everything but the nodes is real: API server, scheduler and controllers of the cluster,
and TESK as the chart installs it. The pods of tasks alone live on nodes that are
simulated, so that thousands of them fit on one machine.
"""

import os
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from api_requests import VERBS, ApiRequests, counted_requests
from cluster.kube import Kube
from cluster.release import Release, installed
from cluster.values import Values, merged, shared_values
from cluster_bench import SERVICES, chart_version
from pod_usage import cpu_and_peak
from programs.waiting import eventually
from simulated_nodes.nodes import LABEL
from simulated_nodes.pod_life import Pace
from simulated_nodes.simulation import Shape, Tally, simulated

Row = tuple[str, ...]

COMPONENTS = ("api", "scheduler", "taskmaster")
_UNFINISHED = ("RUNNING", "QUEUED", "INITIALIZING")
_WRITES = ("create", "delete", "update", "patch")
_PODS_OF_NODE = 250
_POSTERS = 8
_BUSY = 503
_PAGE = 1000
_TASKS_OF_TASKMASTER = 20  # the chart's default
_MOST_TASKMASTERS = 60
_VALUES = Path(__file__).resolve().parent.parent / "helm" / "tesk" / "values.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Tasks that are posted at once, and what came of them.

    Attributes:
        seconds: From the first POST until all are COMPLETE.
        cpu: Seconds of each component.
        peaks: Most resident memory of each pod, in MiB, by component.
        requests: To the API server of Kubernetes, by verb.
        events: Versions of the tasks' objects, each of which a taskmaster gets.
        delays: Seconds from the end of a task's last pod to the task's own, sorted.
    """

    count: int
    layout: str
    seconds: float
    cpu: Mapping[str, float]
    peaks: Mapping[str, Sequence[float]]
    requests: Mapping[str, int]
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
)
REQUESTS = ("at once", "layout", *VERBS, "writes", "all", "watch events")


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
    )


def requests(wave: Wave) -> Row:
    """Return the row of requests, for each task."""
    each = {verb: wave.requests[verb] / wave.count for verb in VERBS}
    return (
        f"{wave.count:,}",
        wave.layout,
        *(f"{value:.1f}" for value in each.values()),
        f"{sum(each[verb] for verb in _WRITES):.1f}",
        f"{sum(each.values()):.1f}",
        f"{wave.events / wave.count:.1f}",
    )


def layouts() -> Sequence[str]:
    """Return the layouts that the chart offers."""
    offered = yaml.safe_load(_VALUES.read_text())["taskmaster"]
    return ("jobs", "pod") if "layout" in offered else ("jobs",)


def waves(counts: Sequence[int], chosen: Sequence[str]) -> Iterator[Wave]:
    """Measure so many tasks at once in each layout, each with a TESK of its own."""
    for count in counts:
        for layout in chosen:
            with _measured(count, layout) as bench:
                yield bench.run()


@dataclass(frozen=True, kw_only=True)
class _Bench:
    release: Release
    tally: Tally
    api_requests: ApiRequests
    count: int
    layout: str

    def run(self) -> Wave:
        """Post all tasks, and wait until they have ended and nothing is left."""
        self._run_at_once(1, seconds=1)  # what is made once, as connections, is made
        self.release.wait_until_clean()
        before, events = self._used(), self.tally.events.total()
        asked = self.api_requests.count()
        seconds, tag = self._run_at_once(self.count, seconds=_seconds_of(self.count))
        delays = self._delays(tag)
        eventually(self._is_clean, within=900, every=2)
        used = self._used()
        return Wave(
            count=self.count,
            layout=self.layout,
            seconds=seconds,
            cpu={
                component: sum(
                    cpu - before[component].get(pod, (0.0, 0.0))[0]
                    for pod, (cpu, _) in used[component].items()
                )
                for component in COMPONENTS
            },
            peaks={
                component: [peak for _, peak in used[component].values()]
                for component in COMPONENTS
            },
            requests=_by_verb(self.api_requests.count() - asked),
            events=self.tally.events.total() - events,
            delays=delays,
        )

    def _used(self) -> Mapping[str, Mapping[str, tuple[float, float]]]:
        release = self.release
        return {
            component: cpu_and_peak(
                release.kube,
                release.namespace,
                [
                    pod
                    for pod in release.component(component)
                    if pod["status"]["phase"] == "Running"
                ],
            )
            for component in COMPONENTS
        }

    def _run_at_once(self, count: int, *, seconds: int) -> tuple[float, str]:
        """Return the seconds until all are COMPLETE, and the tag of them."""
        tag = f"wave-{time.time_ns()}"
        body = _moving_task(seconds) | {"tags": {"wave": tag}}
        started = time.perf_counter()
        with ThreadPoolExecutor(_POSTERS) as threads:
            keys = [f"{tag}-{number}" for number in range(count)]
            list(threads.map(partial(self._post, body), keys))
        eventually(
            lambda: not any(self._some(tag, state) for state in _UNFINISHED),
            within=3600,
            every=1,
            what=f"the end of {count} tasks",
        )
        return time.perf_counter() - started, tag

    def _post(self, body: dict[str, Any], key: str) -> None:
        """Post a task, until a service that is busy has taken it."""

        def is_taken() -> bool:
            headers = {"Idempotency-Key": key}
            answer = self.release.client.post("/tasks", json=body, headers=headers)
            assert answer.status_code in (200, _BUSY), answer.text
            return answer.status_code == 200

        eventually(is_taken, within=120, every=0.5, what="an answer to POST")

    def _some(self, tag: str, state: str) -> bool:
        query: dict[str, str | int] = {
            "page_size": 1,
            "tag_key": "wave",
            "tag_value": tag,
            "state": state,
        }
        answer = self.release.client.get("/tasks", params=query)
        return bool(answer.json()["tasks"])

    def _delays(self, tag: str) -> list[float]:
        """Return how long each took from the end of its last pod, sorted."""
        delays: list[float] = []
        token = ""
        while True:
            query: dict[str, str | int] = {
                "view": "BASIC",
                "page_size": _PAGE,
                "tag_key": "wave",
                "tag_value": tag,
                "page_token": token,
            }
            answer = self.release.client.get("/tasks", params=query).json()
            delays += [self._delay(task) for task in answer["tasks"]]
            token = answer.get("next_page_token", "")
            if not token:
                break
        return sorted(delays)

    def _delay(self, task: dict[str, Any]) -> float:
        assert task["state"] == "COMPLETE", self.release.get(task["id"])
        ended = datetime.fromisoformat(task["logs"][-1]["end_time"]).timestamp()
        return ended - self.tally.ended[task["id"]]

    def _is_clean(self) -> bool:
        kube, namespace = self.release.kube, self.release.namespace
        kinds = ("pods", "jobs", "persistentvolumeclaims", "secrets")
        return not any(kube.list(kind, namespace, "tesk/task") for kind in kinds)


@contextmanager
def _measured(count: int, layout: str) -> Iterator[_Bench]:
    kube = Kube()
    name = f"tesk-nodes-{secrets.token_hex(3)}"
    tag = os.environ.get("TESK_IMAGES_TAG") or chart_version()
    shape = Shape(
        name=name, nodes=max(2, 2 * count // _PODS_OF_NODE), pods=_PODS_OF_NODE
    )
    accounts = {each: f"tesk-{each}" for each in SERVICES}
    with ExitStack() as stack:
        stack.callback(kube.close)
        values = _values(name, tag, count, layout)
        release = stack.enter_context(installed(kube, name, values))
        tally = stack.enter_context(simulated(kube, name, shape, Pace()))
        release.connect()
        counted = stack.enter_context(counted_requests(f"{name}-", name, accounts))
        yield _Bench(
            release=release,
            tally=tally,
            api_requests=counted,
            count=count,
            layout=layout,
        )


def _values(name: str, tag: str, count: int, layout: str) -> Values:
    there = {
        "nodeSelector": {LABEL: name},
        "tolerations": [{"key": LABEL, "operator": "Equal", "value": name}],
    }
    masters = min(_MOST_TASKMASTERS, -(-count // _TASKS_OF_TASKMASTER))
    taskmaster = {
        "idleSeconds": 600,  # to be asked what it has used
        "liveIntervalSeconds": 2,
        "tasksPerPod": max(_TASKS_OF_TASKMASTER, -(-count // masters)),
        "maxPods": masters,
        **({} if layout == "jobs" else {"layout": layout}),
    }
    return merged(
        shared_values(tag=tag, s3_endpoint=""),
        {
            "storage": {"s3": {"existingSecret": ""}},
            "scheduler": {"leaseSeconds": 60},
            "taskmaster": taskmaster,
            "executors": there,
            "filer": there,
            "taskVolumes": {"storageClass": name},
            "quota": {"capacity": {"running": count + 10}},
            "log": {"level": "warning"},
        },
    )


def _moving_task(seconds: int) -> dict[str, Any]:
    """Return a task with an input and an output, which no filer moves."""
    url = "http://storage.example.org"
    return {
        "inputs": [{"path": "/in/a", "url": f"{url}/a"}],
        "executors": [{"image": "busybox:1.35", "command": ["sleep", str(seconds)]}],
        "outputs": [{"path": "/out/b", "url": f"{url}/b"}],
    }


def _seconds_of(count: int) -> int:
    """Return how long commands take: so long that most of them run at once."""
    return max(5, count // 20)


def _by_verb(counted: Counter[tuple[str, str]]) -> Mapping[str, int]:
    return {verb: sum(counted[each, verb] for each in SERVICES) for verb in VERBS}
