"""The TESK on a cluster that is measured, and what a client of it sees."""

import os
import secrets
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from api_requests import ApiRequests, counted_requests
from bare_jobs import BareJobs
from cluster.gated_storage import GatedStorage, gated_storage_in
from cluster.kube import Kube, is_ready
from cluster.release import Release, installed
from cluster.values import merged, shared_values
from programs.waiting import eventually

SERVICES = ("scheduler", "taskmaster")  # those that talk to Kubernetes
TRUE = {"image": "busybox:1.35", "command": ["true"]}
LAYOUTS = ("jobs", "pod")  # that a task can ask for
_EVERY = 0.02
# Long enough for a warm one to be there after a bare Job, short enough to wait for.
_IDLE_SECONDS = 15
_ROOT = Path(__file__).resolve().parent.parent


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
    gated_storage: GatedStorage
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
        self.latency({"executors": [TRUE]})
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

        eventually(all_complete, within=1800, every=0.25, what=f"the end of {ids[-1]}")
        return time.perf_counter() - started

    def moving_task(self) -> dict[str, Any]:
        """Return a task with an input and an output, from and to a web server."""
        source = self.gated_storage.put("bench/in", b"x" * 100_000)
        return {
            "inputs": [{"path": "/in/a", "url": source}],
            "executors": [
                {"image": "busybox:1.35", "command": ["cp", "/in/a", "/out/b"]}
            ],
            "outputs": [
                {"path": "/out/b", "url": f"{self.gated_storage.url}/bench/out"}
            ],
        }


@contextmanager
def measured_cluster(*, quick: bool) -> Iterator[Bench]:
    """Give a TESK of its own, with room for as many tasks as the node has pods."""
    kube = Kube()
    name = f"tesk-bench-{secrets.token_hex(3)}"
    tag = os.environ.get("TESK_IMAGES_TAG") or chart_version()
    values = merged(
        shared_values(tag=tag, s3_endpoint=""),
        {
            "storage": {"s3": {"existingSecret": ""}},
            "scheduler": {"leaseSeconds": 30},
            "taskmaster": {
                "idleSeconds": _IDLE_SECONDS,
                "liveIntervalSeconds": 2,
                "layoutsAllowed": list(LAYOUTS),
            },
            "quota": {"capacity": {"running": _free_pods(kube) - 15}},
            "log": {"level": "warning"},
        },
    )
    with ExitStack() as stack:
        stack.callback(kube.close)
        servers = f"{name}-servers"
        kube.make_namespace(servers)
        stack.callback(kube.delete, "namespaces", "", servers)
        gated_storage = stack.enter_context(
            gated_storage_in(kube, servers, f"tesk-filer:{tag}")
        )
        release = stack.enter_context(installed(kube, name, values))
        release.connect()
        requests = stack.enter_context(
            counted_requests(
                f"{name}-", name, {each: f"tesk-{each}" for each in SERVICES}
            )
        )
        yield Bench(
            kube=kube,
            release=release,
            gated_storage=gated_storage,
            jobs=BareJobs(kube, servers),
            requests=requests,
            quick=quick,
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


def chart_version() -> str:
    """Return the version of TESK, which its images have as tag."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])
