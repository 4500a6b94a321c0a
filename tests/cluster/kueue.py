"""Kueue beside the cluster under test: its controller as a process, and queues.

Without its admission webhooks, which only spare users from what TESK does itself:
it suspends its Jobs. So the cluster never calls the controller.
"""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from cluster.kube import Kube, run
from programs.ports import free_port
from programs.waiting import eventually

FOLDER = Path(__file__).parents[2] / "build" / "kueue"
"""Where ``make kueue`` puts it."""

_API = "kueue.x-k8s.io/v1beta2"
_GROUP = "kueue.x-k8s.io"
# It takes the certificate of its metrics from this place alone, even if it has none.
_CERTIFICATES = "/etc/kueue/metrics/certs"
_IN_AN_ETC_OF_ITS_OWN = (
    f"mount -t tmpfs tmpfs /etc && mkdir -p {_CERTIFICATES} && "
    f'cp "$1"/tls.* {_CERTIFICATES} && exec "$2" --config "$3"'
)


def missing() -> str:
    """Return why Kueue cannot run here; "" if it can."""
    if not (FOLDER / "kueue").exists():
        return "Kueue is not built: make kueue"
    tried = subprocess.run(
        ("unshare", "--map-root-user", "--mount", "true"),
        capture_output=True,
        check=False,
    )
    return "unshare cannot make a mount namespace" if tried.returncode else ""


@contextlib.contextmanager
def kueue() -> Iterator[None]:
    """Run Kueue on the cluster of KUBECONFIG, and remove all of it at the end."""
    definitions = str(FOLDER / "crd")
    run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", definitions)
    try:
        run("kubectl", "wait", "--for=condition=Established", "-f", definitions)
        with tempfile.TemporaryDirectory() as folder, _controller(Path(folder)):
            yield
    finally:
        run("kubectl", "delete", "--ignore-not-found", "-f", definitions)


@contextlib.contextmanager
def _controller(folder: Path) -> Iterator[None]:
    health = f"127.0.0.1:{free_port()}"
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(_configuration(folder, health)), "utf-8")
    _make_certificate(folder)
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c")
    arguments = ("sh", str(folder), str(FOLDER / "kueue"), str(config))
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [*command, _IN_AN_ETC_OF_ITS_OWN, *arguments],
            env={**os.environ, "KUBECONFIG": os.environ["KUBECONFIG"]},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):

        def is_ready() -> bool:
            said = (folder / "log").read_text("utf-8", "replace")[-3000:]
            assert process.poll() is None, f"Kueue has ended: {said}"
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"http://{health}/readyz").status_code == 200
            return False

        try:
            eventually(is_ready, within=120, every=0.3, what="Kueue")
            yield
        finally:
            process.terminate()


def _configuration(folder: Path, health: str) -> dict[str, Any]:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": health},
        "metrics": {"bindAddress": "0"},
        "webhook": {
            "host": "127.0.0.1",
            "port": free_port(),
            "certDir": str(folder),
        },
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "integrations": {"frameworks": ["batch/job"]},
        # So that queues need no quota of them.
        "resources": {"excludeResourcePrefixes": ["memory", "ephemeral-storage"]},
        "featureGates": {
            "VisibilityOnDemand": False,
            "MultiKueue": False,
            "TopologyAwareScheduling": False,
        },
    }


def _make_certificate(folder: Path) -> None:
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=localhost", "-keyout", str(folder / "tls.key")),
        *("-out", str(folder / "tls.crt")),
    )


@contextlib.contextmanager
def queues(kube: Kube, namespace: str, cpu: Mapping[str, str]) -> Iterator[None]:
    """Have queues in a namespace that lend each other what they do not use.

    Args:
        kube: The cluster.
        namespace: Of their Jobs.
        cpu: What each has of its own, by its name.
    """
    name = f"{namespace}-queues"
    made = [_flavor(name)]
    for queue, quota in cpu.items():
        made.append(_cluster_queue(f"{name}-{queue}", name, namespace, quota))
        made.append(_local_queue(queue, namespace, f"{name}-{queue}"))
    kube.apply(*made)
    try:
        eventually(
            lambda: all(_is_active(namespace, queue) for queue in cpu), what="queues"
        )
        yield
    finally:
        # Queues go when nothing is in them any more.
        run("kubectl", "delete", "jobs", "--all", "-n", namespace)
        text = yaml.safe_dump_all(reversed(made))
        run("kubectl", "delete", "--ignore-not-found", "-f", "-", text=text)


def _flavor(name: str) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "ResourceFlavor",
        "metadata": {"name": name},
        "spec": {},
    }


def _cluster_queue(
    name: str, flavor: str, namespace: str, quota: str
) -> dict[str, Any]:
    resources = [{"name": "cpu", "nominalQuota": quota}]
    group = {
        "coveredResources": ["cpu"],
        "flavors": [{"name": flavor, "resources": resources}],
    }
    labels = {"kubernetes.io/metadata.name": namespace}
    return {
        "apiVersion": _API,
        "kind": "ClusterQueue",
        "metadata": {"name": name},
        "spec": {
            "cohortName": flavor,
            "namespaceSelector": {"matchLabels": labels},
            "preemption": {"reclaimWithinCohort": "Any"},
            "resourceGroups": [group],
        },
    }


def _local_queue(name: str, namespace: str, cluster_queue: str) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "LocalQueue",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterQueue": cluster_queue},
    }


def _is_active(namespace: str, queue: str) -> bool:
    found = run(
        *("kubectl", "get", f"localqueues.{_GROUP}", queue, "-n", namespace),
        *("-o", "json"),
    )
    conditions = json.loads(found).get("status", {}).get("conditions", [])
    return any(
        each["type"] == "Active" and each["status"] == "True" for each in conditions
    )


def workloads(namespace: str) -> list[str]:
    """Name the Jobs of which Kueue knows in a namespace."""
    found = run("kubectl", "get", f"workloads.{_GROUP}", "-n", namespace, "-o", "name")
    return sorted(found.split())
