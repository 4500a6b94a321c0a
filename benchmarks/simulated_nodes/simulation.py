"""Simulated nodes of a cluster, from their making to their removal."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from kubernetes.client.exceptions import ApiException

from cluster.kube import Kube
from simulated_nodes.kubelet import Kubelet
from simulated_nodes.log_server import LogServer
from simulated_nodes.nodes import Heartbeats, node_object
from simulated_nodes.pod_life import Pace
from simulated_nodes.serving_certificate import serving_context
from simulated_nodes.volumes import Provisioner, seen_claim, storage_class
from tesk_kubernetes.api import JOBS, PODS, VOLUME_CLAIMS, JsonObject, Resource
from tesk_kubernetes.client import open_api
from tesk_kubernetes.informer import Informer, InformerTiming
from tesk_kubernetes.labels import STEP, TASK
from tesk_taskmaster.domain.step_names import is_inspection_step

T = TypeVar("T")

_NO_RELIST = InformerTiming(relist=timedelta(days=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is simulated.

    Attributes:
        name: Of the StorageClass and of the nodes' label and taint; begins the names
            of the nodes.
        nodes: How many.
        pods: How many each can have.
        address: Of all nodes: of this machine, where the API server reaches it.
    """

    name: str
    nodes: int
    pods: int = 500
    address: str = "127.0.0.1"


@dataclass(slots=True)
class Tally:
    """What was seen, while the nodes were there; thread-safe.

    Attributes:
        ended: When the end of the last pod of each task was told (Unix time).
        events: Versions of objects of tasks, by kind: whoever watches them gets as
            many.
        inspections: Jobs that inspected an image.
    """

    ended: dict[str, float] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    inspections: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, task: str) -> None:
        """Take the end of a pod."""
        with self._lock:
            self.ended[task] = time.time()

    def count(self, resource: Resource) -> None:
        """Take a version of an object."""
        with self._lock:
            self.events[resource.plural] += 1

    def see_job(self, name: str, step: str | None) -> None:
        """Take a version of a Job; None: it is gone."""
        if step is not None and is_inspection_step(step):
            self.inspections.add(name)


@contextmanager
def simulated(kube: Kube, namespace: str, shape: Shape, pace: Pace) -> Iterator[Tally]:
    """Give simulated nodes, which run the pods of tasks of one namespace.

    Args:
        kube: Of the cluster, as an administrator.
        namespace: Where tasks run.
        shape: Of the nodes.
        pace: Of the pods.
    """
    tally = Tally()
    names = [f"{shape.name}-{number}" for number in range(shape.nodes)]
    with ExitStack() as stack:
        kubelet = Kubelet(kube, names, pace, address=shape.address, on_end=tally.end)
        stack.callback(kubelet.close)
        kubelet.start()
        context = stack.enter_context(serving_context(kube, shape.name, shape.address))
        server = LogServer(shape.address, context, kubelet.log_of)
        stack.callback(server.close)
        server.start()
        stack.callback(
            _delete, kube, "/apis/storage.k8s.io/v1/storageclasses", shape.name
        )
        kube.apply(storage_class(shape.name))
        provisioner = Provisioner(kube, shape.name)
        stack.callback(provisioner.close)
        watching = _Watching(namespace, tally, stack)
        watching.start(PODS, kubelet.seen, kubelet.take)
        watching.start(VOLUME_CLAIMS, seen_claim, provisioner.take)
        watching.start(JOBS, _step_of, tally.see_job)
        heartbeats = Heartbeats(kube, names)
        stack.callback(heartbeats.close)
        for name in names:
            stack.callback(_delete, kube, "/api/v1/nodes", name)
            node = node_object(
                name,
                shape.name,
                address=shape.address,
                port=server.port,
                pods=shape.pods,
            )
            kube.call("POST", "/api/v1/nodes", body=node)
        heartbeats.start()
        yield tally


class _Watching:
    """Watches the objects of tasks, and counts their versions."""

    def __init__(self, namespace: str, tally: Tally, stack: ExitStack) -> None:
        self._api = open_api(os.environ)
        self._namespace = namespace
        self._tally = tally
        self._stack = stack

    def start(
        self,
        resource: Resource,
        prune: Callable[[JsonObject], T],
        on_change: Callable[[str, T | None], None],
    ) -> None:
        """Watch one kind."""

        def counted(body: JsonObject) -> T:
            self._tally.count(resource)
            return prune(body)

        informer = Informer(
            self._api,
            resource,
            self._namespace,
            TASK,
            prune=counted,
            on_change=on_change,
            timing=_NO_RELIST,
        )
        self._stack.callback(informer.close)
        informer.start()


def _step_of(job: JsonObject) -> str:
    return str((job["metadata"].get("labels") or {}).get(STEP, ""))


def _delete(kube: Kube, path: str, name: str) -> None:
    with suppress(ApiException):
        kube.call("DELETE", f"{path}/{name}")
