"""Taskmasters as pods of a real cluster, by a scheduler with no right too many."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.faults import make_quota
from cluster.kube import Kube, name_of
from programs.waiting import eventually
from taskmasters.launchers import LAUNCHER, OWNER, make_template
from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import attempt_labels, common_labels
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_runtime.clock import SystemClock
from tesk_scheduler.adapters.kubernetes.cluster import (
    open_pod_launcher,
    open_task_objects,
)
from tesk_scheduler.adapters.kubernetes.pod_launcher import PodLauncher
from tesk_scheduler.adapters.kubernetes.task_objects import ClusterTaskObjects
from tesk_scheduler.ports.launcher import LaunchError

pytestmark = pytest.mark.cluster

# What the chart gives to the scheduler in each task namespace.
RULES: list[dict[str, Any]] = [
    {
        "apiGroups": [""],
        "resources": ["pods"],
        "verbs": ["create", "get", "list", "watch", "delete"],
    },
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
    {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": [OWNER],
        "verbs": ["get"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "delete"]},
    {
        "apiGroups": [""],
        "resources": ["persistentvolumeclaims"],
        "verbs": ["list", "delete"],
    },
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]},
]
MAIN: JsonObject = make_template()["spec"]["containers"][0]
# Ends with 9 when it is asked to.
FRAGILE = MAIN | {"command": ["sh", "-c", "trap 'exit 9' TERM; sleep 600 & wait"]}
END = "(sleep 1; kill 1) >/dev/null 2>&1 &"
_CORE = "/api/v1/namespaces"
INSTANCE = "tesk-test"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A namespace with the rights of its service accounts."""

    kube: Kube
    namespace: str
    folder: Path

    @contextlib.contextmanager
    def launcher(self, **template: Any) -> Iterator[PodLauncher]:
        """Start one, with the rights of the scheduler."""
        text = yaml.safe_dump(make_template(**template))
        (self.folder / "taskmaster-pod.yaml").write_text(text)
        settings = KubernetesSettings(
            namespaces=(self.namespace,),
            owner=OWNER,
            templates=str(self.folder),
            launcher_file=str(self.folder / "launcher"),
        )
        launcher = open_pod_launcher(
            settings,
            {"KUBECONFIG": str(self.folder / "kubeconfig")},
            clock=SystemClock(),
            changed=lambda: None,
        )
        with contextlib.closing(launcher):
            yield launcher

    def task_objects(self) -> ClusterTaskObjects:
        """Return what tasks have in the namespace, with the rights of the scheduler."""
        return open_task_objects(
            KubernetesSettings(namespaces=(self.namespace,), instance=INSTANCE),
            {"KUBECONFIG": str(self.folder / "kubeconfig")},
        )

    def leave(self, attempt: Attempt) -> None:
        """Make what an attempt has: an anchor that owns a claim and a Job."""
        labels = {**common_labels(INSTANCE, "task"), **attempt_labels(attempt)}
        core = f"{_CORE}/{self.namespace}"
        meta = {"name": attempt.name, "labels": labels}
        anchor = self.kube.call("POST", f"{core}/secrets", body={"metadata": meta})
        owner = {
            "apiVersion": "v1",
            "kind": "Secret",
            "name": attempt.name,
            "uid": anchor["metadata"]["uid"],
        }
        owned = meta | {"ownerReferences": [owner]}
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        }
        path = f"{core}/persistentvolumeclaims"
        self.kube.call("POST", path, body={"metadata": owned, "spec": claim})
        pod = {"restartPolicy": "Never", "containers": [MAIN]}
        job = {"suspend": True, "template": {"spec": pod}}
        named = owned | {"name": f"{attempt.name}-x0"}
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        self.kube.call("POST", path, body={"metadata": named, "spec": job})

    def install(self) -> None:
        """Make the owner, and an account with the rights of the scheduler."""
        core, rbac = f"{_CORE}/{self.namespace}", f"{_RBAC}/{self.namespace}"
        account = {"kind": "ServiceAccount", "name": "s", "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "s"}
        meta = {"metadata": {"name": "s"}}
        self.kube.call("POST", _CORE, body={"metadata": {"name": self.namespace}})
        owner = {"metadata": {"name": OWNER}, "immutable": True}
        self.kube.call("POST", f"{core}/configmaps", body=owner)
        self.kube.call("POST", f"{core}/serviceaccounts", body=meta)
        self.kube.call("POST", f"{rbac}/roles", body=meta | {"rules": RULES})
        binding = meta | {"roleRef": role, "subjects": [account]}
        self.kube.call("POST", f"{rbac}/rolebindings", body=binding)
        path = f"{core}/serviceaccounts/s/token"
        token = self.kube.call("POST", path, body={"spec": {}})["status"]["token"]
        known: Any = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        for user in known["users"]:
            user["user"] = {"token": token}
        (self.folder / "kubeconfig").write_text(yaml.safe_dump(known))
        (self.folder / "launcher").write_bytes(LAUNCHER)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Prepare a namespace; remove it."""
    namespace = f"tesk-pods-{uuid.uuid4().hex[:8]}"
    with contextlib.closing(Kube()) as kube:
        try:
            ground = Ground(kube=kube, namespace=namespace, folder=tmp_path)
            ground.install()
            yield ground
        finally:
            kube.delete("namespaces", "", namespace)


def test_a_pod_runs_is_adopted_crashes_and_is_removed(ground: Ground) -> None:
    with ground.launcher(containers=[FRAGILE]) as launcher:
        launcher.launch("tm-1")
        launcher.launch("tm-1")
        eventually(lambda: phase(ground, "tesk-tm-1") == "Running")
    with ground.launcher() as successor:
        adopted = set(successor.alive())
        ground.kube.execute(ground.namespace, "tesk-tm-1", "sh", "-c", END)
        eventually(lambda: restarts(ground, "tesk-tm-1") >= 1)
        survivors = set(successor.alive())
        successor.kill("tm-1")
        successor.kill("tm-1")

        assert adopted == survivors == {"tm-1"}
        assert set(successor.alive()) == set()
        eventually(lambda: ground.kube.list("pods", ground.namespace) == [])
    supplied = [
        name_of(each) for each in ground.kube.list("configmaps", ground.namespace)
    ]
    assert any(name.startswith("tesk-launcher-") for name in supplied)


def test_a_taskmaster_that_ends_by_itself_has_ended(ground: Ground) -> None:
    with ground.launcher(containers=[MAIN | {"command": ["true"]}]) as launcher:
        launcher.launch("tm-1")
        eventually(lambda: set(launcher.ended()) == {"tm-1"})

        assert set(launcher.alive()) == set()
        assert not launcher.may_act("tm-1")
        launcher.kill("tm-1")
        assert ground.kube.list("pods", ground.namespace) == []


def test_what_an_attempt_left_is_listed_and_removed_with_its_anchor(
    ground: Ground,
) -> None:
    left, stays = Attempt(TaskId("left"), 1), Attempt(TaskId("stays"), 2)
    for attempt in (left, stays):
        ground.leave(attempt)
    objects = ground.task_objects()

    found = sorted(objects.list())
    objects.remove(found[0])
    objects.remove(found[0])

    assert [(each.attempt, each.kind) for each in found] == [
        (attempt, kind)
        for attempt in (left, stays)
        for kind in ("Job", "PersistentVolumeClaim")
    ]
    for kind in ("secrets", "jobs"):
        eventually(lambda kind=kind: _names(ground, kind, left) == [])  # type: ignore[misc]
        assert _names(ground, kind, stays)


def _names(ground: Ground, kind: str, attempt: Attempt) -> list[str]:
    names = (name_of(each) for each in ground.kube.list(kind, ground.namespace))
    return [name for name in names if name.startswith(attempt.name)]


CAUSES: dict[str, tuple[dict[str, Any], str]] = {
    "no node has room": (
        {"nodeSelector": {"no": "node"}},
        "nodes are available",
    ),
    "there is no such image": (
        {"containers": [{"name": "main", "image": "no.such/image:1"}]},
        "no.such/image",
    ),
    "a Secret is missing": (
        {
            "volumes": [{"name": "v", "secret": {"secretName": "tesk-internal"}}],
            "containers": [MAIN | {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        },
        'secret "tesk-internal" not found',
    ),
    "it crashes at its start": (
        {
            "containers": [
                MAIN
                | {
                    "command": ["sh", "-c", "echo no token; exit 3"],
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                }
            ]
        },
        "exit code 3",
    ),
}


@pytest.mark.parametrize(("template", "want"), CAUSES.values(), ids=CAUSES)
def test_the_status_message_says_why_a_taskmaster_does_not_come_up(
    ground: Ground, template: dict[str, Any], want: str
) -> None:
    with ground.launcher(**template) as launcher:
        launcher.launch("tm-1")

        eventually(lambda: want in launcher.status_message("tm-1"), what=want)

        assert set(launcher.alive()) == {"tm-1"}


def test_a_quota_that_is_full_is_told(ground: Ground) -> None:
    make_quota(ground.kube, ground.namespace, "few", {"hard": {"pods": "0"}})

    def is_reported() -> bool:
        try:
            launcher.launch("tm-1")
        except LaunchError as error:
            return "exceeded quota: few" in str(error)
        launcher.kill("tm-1")
        return False

    with ground.launcher() as launcher:
        eventually(is_reported)


def phase(ground: Ground, pod: str) -> str:
    """Return the phase of a pod."""
    found = ground.kube.get("pods", ground.namespace, pod) or {"status": {}}
    return str(found["status"].get("phase", ""))


def restarts(ground: Ground, pod: str) -> int:
    """Count how often its container was started again."""
    found = ground.kube.get("pods", ground.namespace, pod) or {"status": {}}
    statuses = found["status"].get("containerStatuses", [])
    return sum(int(each["restartCount"]) for each in statuses)
