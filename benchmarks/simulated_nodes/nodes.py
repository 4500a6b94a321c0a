"""Node objects that no machine stands behind, and the leases that keep them ready."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from cluster.kube import Kube, Object

LABEL = "tesk.example.org/simulated"
"""Of the nodes, with the name of whose they are."""

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_RENEW_SECONDS = 10.0
_LEASE_SECONDS = 40
_AT_ONCE = 8  # renewals; a slow API server must not make the last one late
_LATE_SECONDS = 30.0  # after which the cluster may have given up a node
_CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure")


def node_object(name: str, owner: str, *, address: str, port: int, pods: int) -> Object:
    """Return a node that is ready; only pods that tolerate its taint come."""
    room = {
        "cpu": "4096",
        "memory": "16Ti",
        "ephemeral-storage": "64Ti",
        "pods": str(pods),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                LABEL: owner,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
        "spec": {"taints": [{"key": LABEL, "value": owner, "effect": "NoSchedule"}]},
        "status": {
            "allocatable": room,
            "capacity": room,
            "addresses": [{"type": "InternalIP", "address": address}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "conditions": _conditions(),
            "nodeInfo": dict.fromkeys(_NODE_INFO, "simulated"),
        },
    }


_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


class Heartbeats:
    """Renews the leases of nodes, as kubelets do, until it is closed."""

    def __init__(self, kube: Kube, names: Sequence[str]) -> None:
        self._kube = kube
        self._names = names
        self._closed = threading.Event()
        self._renewed: dict[str, float] = {}  # when, of the monotonic clock
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Make the leases, and begin to renew them."""
        for name in self._names:
            self._kube.call(
                "POST",
                _LEASES,
                body={"metadata": {"name": name}, "spec": _lease(name)},
            )
            self._renewed[name] = time.monotonic()
        self._thread.start()

    def close(self) -> None:
        """Stop, and remove the leases."""
        self._closed.set()
        self._thread.join()
        for name in self._names:
            with suppress(ApiException):
                self._kube.call("DELETE", f"{_LEASES}/{name}")

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while not self._closed.wait(_RENEW_SECONDS):
                list(pool.map(self._renew, self._names))

    def _renew(self, name: str) -> None:
        """Renew a lease; after a late one tell that the node is ready, as kubelets do."""
        was_late = time.monotonic() - self._renewed[name] > _LATE_SECONDS
        with suppress(ApiException, HTTPError):  # the next one will do
            self._patch(f"{_LEASES}/{name}", {"spec": _lease(name)})
            if was_late:
                path = f"/api/v1/nodes/{name}/status"
                self._patch(path, {"status": {"conditions": _conditions()}})
            self._renewed[name] = time.monotonic()

    def _patch(self, path: str, body: Object) -> None:
        self._kube.call(
            "PATCH", path, body=body, content_type="application/merge-patch+json"
        )


def _conditions() -> list[Object]:
    now = _now("seconds")
    states = dict.fromkeys(_CONDITIONS, "False") | {"Ready": "True"}
    return [
        {
            "type": kind,
            "status": status,
            "reason": "Simulated",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind, status in states.items()
    ]


def _lease(name: str) -> Object:
    return {
        "holderIdentity": name,
        "leaseDurationSeconds": _LEASE_SECONDS,
        "renewTime": _now("microseconds"),
    }


def _now(precision: str) -> str:
    return datetime.now(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
