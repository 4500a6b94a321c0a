"""Jobs as ``kubectl create job`` makes them: what tasks are compared with.

They are posted straight to the API server, so the time that kubectl itself
takes to start is not theirs.
"""

import time
from dataclasses import dataclass
from typing import Any

from cluster.kube import Kube, Object, name_of
from programs.waiting import eventually

_EVERY = 0.02
_IMAGE = "busybox:1.35"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """Seconds from the request until something was seen by asking every 20 ms.

    Attributes:
        ended: Its container had terminated.
        complete: The Job said so.
    """

    ended: float
    complete: float


class BareJobs:
    """Makes trivial Jobs in a namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._count = 0

    def run(self) -> JobTimes:
        """Run one, and remove it."""
        started = time.perf_counter()
        name = self._create()
        eventually(lambda: self._has_ended(name), within=120, every=_EVERY)
        ended = time.perf_counter() - started
        eventually(lambda: self._is_complete(name), within=120, every=_EVERY)
        complete = time.perf_counter() - started
        self._remove({name})
        return JobTimes(ended=ended, complete=complete)

    def run_in_sequence(self, count: int) -> float:
        """Return the seconds of so many, each made when the last is Complete."""
        return sum(self.run().complete for _ in range(count))

    def run_at_once(self, count: int) -> float:
        """Return the seconds from the first request until all are Complete."""
        started = time.perf_counter()
        names = {self._create() for _ in range(count)}
        eventually(
            lambda: names <= {name_of(job) for job in self._jobs() if _complete(job)},
            within=600,
            every=0.25,
        )
        seconds = time.perf_counter() - started
        self._remove(names)
        return seconds

    def _create(self) -> str:
        self._count += 1
        name = f"bare-{self._count}"
        self._kube.call(
            "POST",
            f"/apis/batch/v1/namespaces/{self._namespace}/jobs",
            body=_manifest(name),
        )
        return name

    def _has_ended(self, name: str) -> bool:
        pods = self._kube.list(
            "pods", self._namespace, f"batch.kubernetes.io/job-name={name}"
        )
        return any(
            "terminated" in status["state"]
            for pod in pods
            for status in pod["status"].get("containerStatuses", ())
        )

    def _is_complete(self, name: str) -> bool:
        job = self._kube.get("jobs", self._namespace, name)
        return job is not None and _complete(job)

    def _jobs(self) -> list[Object]:
        return self._kube.list("jobs", self._namespace)

    def _remove(self, names: set[str]) -> None:
        """Remove them and wait until it is done: it must not disturb what follows."""
        for name in names:
            self._kube.delete("jobs", self._namespace, name)
        eventually(
            lambda: (
                not self._kube.list(
                    "pods", self._namespace, "batch.kubernetes.io/job-name"
                )
            ),
            within=300,
            every=0.1,
        )


def _complete(job: Object) -> bool:
    return any(
        condition["type"] == "Complete" and condition["status"] == "True"
        for condition in job["status"].get("conditions", ())
    )


def _manifest(name: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": _IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["true"],
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}},
    }
