"""What many tasks at once cost, on simulated nodes.

Everything but the nodes is real: API server, scheduler and controllers of the cluster,
and TESK as the chart installs it. The pods of tasks alone live on nodes that are
simulated, so that thousands of them fit on one machine.
"""

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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
from waves import COMPONENTS, Wave

_UNFINISHED = ("RUNNING", "QUEUED", "INITIALIZING")
_PODS_OF_NODE = 250
_POSTERS = 8
_TAKEN = 200
_BUSY = (429, 503)  # come back later, says the answer
_LONGEST_POST = 900.0
_LONGEST_RUN = 7200.0
_PAGE = 1000
_MOST_TASKMASTERS = 20  # real processes, on the cores that the cluster has
TRIVIAL = "trivial"
"""Beside the layouts: tasks without files, each of which is a single Job."""
_VALUES = Path(__file__).resolve().parent.parent / "helm" / "tesk" / "values.yaml"


def layouts() -> Sequence[str]:
    """Return the layouts that the chart offers."""
    return ("jobs", "pod") if "layout" in _defaults() else ("jobs",)


def _defaults() -> Mapping[str, Any]:
    defaults: Mapping[str, Any] = yaml.safe_load(_VALUES.read_text())["taskmaster"]
    return defaults


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
    busy: list[int] = field(default_factory=list)

    def run(self) -> Wave:
        """Post all tasks, and wait until they have ended and nothing is left."""
        self._run_at_once(1, seconds=1)  # what is made once, as connections, is made
        self.release.wait_until_clean()
        before, events = self._used(), self.tally.events.total()
        asked, once, self.busy[:] = self.api_requests.count(), self._once(), []
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
            once=self._once() - once,
            busy=len(self.busy),
            events=self.tally.events.total() - events,
            delays=delays,
        )

    def _once(self) -> int:
        """Return how many taskmasters and inspections there have been so far."""
        masters = self.release.component("taskmaster")  # none has been idle for long
        return len(masters) + len(self.tally.inspections)

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
        files = {} if self.layout == TRIVIAL else _files()
        body = {**_command(seconds), **files, "tags": {"wave": tag}}
        started = time.perf_counter()
        with ThreadPoolExecutor(_POSTERS) as threads:
            keys = [f"{tag}-{number}" for number in range(count)]
            list(threads.map(partial(self._post, body), keys))
        eventually(
            lambda: not any(self._some(tag, state) for state in _UNFINISHED),
            within=_LONGEST_RUN,
            every=1,
            what=f"the end of {count} tasks",
        )
        return time.perf_counter() - started, tag

    def _post(self, body: dict[str, Any], key: str) -> None:
        """Post a task; one that is told to come back later does so, as clients do."""
        headers = {"Idempotency-Key": key}
        deadline = time.monotonic() + _LONGEST_POST
        while True:
            answer = self.release.client.post("/tasks", json=body, headers=headers)
            if answer.status_code == _TAKEN:
                return
            is_late = time.monotonic() > deadline
            assert answer.status_code in _BUSY, answer.text
            assert not is_late, answer.text
            self.busy.append(answer.status_code)
            after = float(answer.headers.get("Retry-After", "1"))
            time.sleep(after * random.uniform(1, 1.5))  # noqa: S311 - jitter

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
    packed = int(_defaults()["tasksPerPod"])
    masters = min(_MOST_TASKMASTERS, -(-count // packed))
    taskmaster = {
        "idleSeconds": 600,  # to be asked what it has used
        "liveIntervalSeconds": 2,
        "tasksPerPod": max(packed, -(-count // masters)),
        "maxPods": masters,
        **({"layout": layout} if layout == "pod" else {}),
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
            # The addresses of simulated pods are nobody's, and whoever applies
            # policies would do so for each of them.
            "networkPolicy": {"enabled": False},
            "log": {"level": "warning"},
        },
    )


def _command(seconds: int) -> dict[str, Any]:
    """Return what a task runs."""
    command = ["sleep", str(seconds)]
    return {"executors": [{"image": "busybox:1.35", "command": command}]}


def _files() -> dict[str, Any]:
    """Return an input and an output, which no filer moves."""
    url = "http://storage.example.org"
    return {
        "inputs": [{"path": "/in/a", "url": f"{url}/a"}],
        "outputs": [{"path": "/out/b", "url": f"{url}/b"}],
    }


def _seconds_of(count: int) -> int:
    """Return how long commands take: so long that most of them run at once."""
    return max(5, count // 20)


def _by_verb(counted: Counter[tuple[str, str]]) -> Mapping[str, int]:
    return {verb: sum(counted[each, verb] for each in SERVICES) for verb in VERBS}
