"""Tells what becomes of the pods of simulated nodes, when it is due.

A thread waits for what is due next and a few others write it: thousands of pods are
entries of a heap. At most one status of a pod is under way, and each is what holds when
it is written, so that a slow API server gets fewer of them.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from cluster.kube import Kube
from simulated_nodes.log_server import Log
from simulated_nodes.pod_life import (
    Container,
    Pace,
    Span,
    changes,
    containers_of,
    end_of,
    spans,
)
from simulated_nodes.pod_status import status_at
from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import STEP, TASK
from tesk_kubernetes.pods import is_terminating, node_of

_WRITERS = 8
_RETRY_SECONDS = 0.5
_GONE = (404, 409)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPod:
    """What counts of a pod; its own status is not among it."""

    namespace: str
    name: str
    uid: str
    node: str
    task: str
    containers: tuple[Container, ...]
    is_terminating: bool

    @property
    def path(self) -> str:
        """Of the object."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


@dataclass(slots=True, kw_only=True)
class _Held:
    """A pod of ours, and what is due next.

    Attributes:
        is_stopped: Its deletion was seen.
        is_over: Its end was told, and nothing is due any more.
    """

    seen: SeenPod
    bound: float
    spans: dict[str, Span]
    due: float
    is_stopped: bool = False
    is_over: bool = False
    writing: threading.Lock = field(default_factory=threading.Lock)


class Kubelet:
    """The kubelets of many nodes; thread-safe."""

    def __init__(
        self,
        kube: Kube,
        nodes: Collection[str],
        pace: Pace,
        *,
        address: str,
        on_end: Callable[[str], None],
    ) -> None:
        """Take the pods of ``nodes``; ``start`` begins.

        Args:
            kube: Of the cluster.
            nodes: Their names.
            pace: Of the pods.
            address: Of the nodes.
            on_end: Called with the task of a pod when its end has been told.
        """
        self._kube = kube
        self._nodes = frozenset(nodes)
        self._pace = pace
        self._address = address
        self._on_end = on_end
        self._held: dict[str, _Held] = {}
        self._due: list[tuple[float, int, _Held]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_closed = False
        self._writers = ThreadPoolExecutor(_WRITERS, "kubelet")
        self._clock = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._clock.start()

    def close(self) -> None:
        """Stop; pods stay as they are."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._clock.join()
        self._writers.shutdown(cancel_futures=True)

    def seen(self, pod: JsonObject) -> SeenPod:
        """Return what counts of a pod."""
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        step = labels.get(STEP, "")
        return SeenPod(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            node=node_of(pod),
            task=labels.get(TASK, ""),
            containers=tuple(containers_of(pod["spec"], step, self._pace)),
            is_terminating=is_terminating(pod),
        )

    def take(self, name: str, seen: SeenPod | None) -> None:
        """Take a new version of a pod; None: it is gone."""
        now = time.time()
        with self._changed:
            held = self._held.get(name)
            if seen is None or (held is not None and held.seen.uid != seen.uid):
                self._held.pop(name, None)
                held = None
            if seen is None or seen.node not in self._nodes:
                return
            if held is None:
                held = self._held[name] = _Held(
                    seen=seen,
                    bound=now,
                    spans=spans(seen.containers, self._pace, bound=now),
                    due=now,
                )
                self._push(held, now)
            held.seen = seen
            if seen.is_terminating and not (held.is_stopped or held.is_over):
                held.is_stopped = True
                held.spans = spans(
                    seen.containers, self._pace, bound=held.bound, stopped=now
                )
                self._push(held, now)

    def log_of(self, pod: str, container: str) -> Log:
        """Return the log of a container; an empty one that has ended if it is gone."""
        with self._changed:
            held = self._held.get(pod)
            if held is None:
                return Log(printed="", ended=0.0)
            (printed,) = (
                each.printed for each in held.seen.containers if each.name == container
            )
            return Log(printed=printed, ended=held.spans[container].ended)

    def _push(self, held: _Held, due: float) -> None:
        """Make something due; with the lock."""
        held.due = due
        heapq.heappush(self._due, (due, next(self._numbers), held))
        self._changed.notify()

    def _run(self) -> None:
        while (held := self._next()) is not None:
            self._writers.submit(self._tell, held)

    def _next(self) -> _Held | None:
        """Wait for what is due next; None: closed."""
        with self._changed:
            while not self._is_closed:
                now = time.time()
                if self._due and self._due[0][0] <= now:
                    due, _, held = heapq.heappop(self._due)
                    if held.due == due:  # nothing else has become due since
                        return held
                    continue
                self._changed.wait(self._due[0][0] - now if self._due else None)
        return None

    def _tell(self, held: _Held) -> None:
        """Write the status of a pod as it is now, and remove one that is to go."""
        with held.writing:
            now = time.time()
            with self._changed:
                seen, found = held.seen, held.spans
            status = status_at(
                now, seen.containers, found, bound=held.bound, address=self._address
            )
            if not self._write(held, status):
                return
            if end_of(found) > now:
                due = [each for each in changes(found, held.bound) if each > now]
                self._again(held, found, due[0])
                return
            held.is_over = True
            self._on_end(seen.task)
            if seen.is_terminating:
                self._remove(seen)

    def _again(self, held: _Held, found: dict[str, Span], due: float) -> None:
        with self._changed:
            if held.spans is found:  # else something is due at once
                self._push(held, due)

    def _write(self, held: _Held, status: JsonObject) -> bool:
        """Write a status; False: not now, or never."""
        try:
            self._kube.call(
                "PATCH",
                f"{held.seen.path}/status",
                body={"metadata": {"uid": held.seen.uid}, "status": status},
                content_type="application/strategic-merge-patch+json",
            )
        except (ApiException, HTTPError) as error:
            if getattr(error, "status", None) not in _GONE:
                self._again(held, held.spans, time.time() + _RETRY_SECONDS)
            return False
        return True

    def _remove(self, seen: SeenPod) -> None:
        with suppress(ApiException):
            self._kube.call(
                "DELETE",
                seen.path,
                body={"gracePeriodSeconds": 0, "preconditions": {"uid": seen.uid}},
            )
