"""Launchers of pods on the cluster in memory, and on a real one."""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from cluster.kube import Kube
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.scheduler_environment import FrozenClock
from programs.waiting import eventually
from tesk_kubernetes.api import CONFIG_MAPS, PODS, JsonObject
from tesk_kubernetes.settings import KubernetesSettings
from tesk_scheduler.adapters.kubernetes.cluster import open_pod_launcher
from tesk_scheduler.adapters.kubernetes.pod_launcher import PodLauncher
from tesk_scheduler.adapters.kubernetes.pod_parts import TaskmasterPodParts

LAUNCHER = b"\x7fELF launcher"
OWNER = "tesk-tasks"


def make_template(**spec: Any) -> JsonObject:
    """Return a template of taskmasters' pods: one that sleeps."""
    main = {
        "name": "main",
        "image": "busybox:1.35",
        "command": ["sleep", "600"],
    }
    return {"spec": {"containers": [main], "terminationGracePeriodSeconds": 0} | spec}


@dataclass(kw_only=True)
class PodLaunchers:
    """A cluster in memory with TESK's objects in it, and the launchers on it."""

    folder: Path
    namespaces: tuple[str, ...] = ("tasks",)
    api: FakeKubernetesApi = field(default_factory=FakeKubernetesApi)
    clock: FrozenClock = field(default_factory=FrozenClock)
    notifications: list[None] = field(default_factory=list)
    cluster: FakeCluster = field(init=False)

    def __post_init__(self) -> None:
        """Install what the chart installs."""
        self.cluster = FakeCluster(self.api)
        self.write_template(make_template())
        for namespace in self.namespaces:
            self.install_owner(namespace)

    def write_template(self, template: object) -> None:
        text = yaml.safe_dump(template)
        (self.folder / "taskmaster-pod.yaml").write_text(text, encoding="utf-8")

    def install_owner(self, namespace: str) -> str:
        """Make the owner; return its uid."""
        body = {"metadata": {"name": OWNER}, "immutable": True}
        made = self.api.plant(CONFIG_MAPS, namespace, body)
        return str(made["metadata"]["uid"])

    @contextlib.contextmanager
    def launcher(
        self, changed: Callable[[], None] | None = None
    ) -> Iterator[PodLauncher]:
        """Start one, as a scheduler does at its start."""
        parts = TaskmasterPodParts(
            settings=KubernetesSettings(owner=OWNER, templates=str(self.folder)),
            namespaces=self.namespaces,
            launcher=LAUNCHER,
        )
        launcher = PodLauncher(
            self.api,
            parts,
            clock=self.clock,
            changed=changed or (lambda: self.notifications.append(None)),
        )
        with contextlib.closing(launcher):
            yield launcher

    @contextlib.contextmanager
    def synced(self) -> Iterator[PodLauncher]:
        """Start one, and wait until it knows who lives."""
        with self.launcher() as launcher:
            eventually(lambda: knows(launcher))
            yield launcher

    def pod(self, taskmaster_id: str) -> JsonObject:
        """Return a taskmaster's pod, as it is now."""
        name = f"tesk-{taskmaster_id}"
        (found,) = [
            pod for pod in self.api.all(PODS) if pod["metadata"]["name"] == name
        ]
        return found


def knows(launcher: PodLauncher) -> bool:
    """Tell whether it has heard from the cluster."""
    return launcher.wait_known(timedelta(0))


@contextlib.contextmanager
def real_launcher(folder: Path) -> Iterator[PodLauncher]:
    """Start one on the cluster of ``KUBECONFIG``, in a namespace of its own."""
    namespace = f"tesk-launcher-{uuid.uuid4().hex[:8]}"
    (folder / "launcher").write_bytes(LAUNCHER)
    (folder / "taskmaster-pod.yaml").write_text(yaml.safe_dump(make_template()))
    settings = KubernetesSettings(
        namespaces=(namespace,),
        owner=OWNER,
        templates=str(folder),
        launcher_file=str(folder / "launcher"),
    )
    with contextlib.closing(Kube()) as kube:
        body: JsonObject = {"metadata": {"name": namespace}}
        kube.call("POST", "/api/v1/namespaces", body=body)
        try:
            path = f"/api/v1/namespaces/{namespace}/configmaps"
            kube.call("POST", path, body={"metadata": {"name": OWNER}})
            launcher = open_pod_launcher(
                settings, os.environ, clock=FrozenClock(), changed=lambda: None
            )
            with contextlib.closing(launcher):
                yield launcher
        finally:
            kube.delete("namespaces", "", namespace)
