"""The APIs that keep the contract, each with the powers that its tests need."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import yaml
from kubernetes.client.exceptions import ApiException

from cluster.faults import make_quota
from cluster.kube import Kube, is_ready
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.kubernetes_nodes import make_node
from programs.waiting import eventually
from tesk_kubernetes.api import (
    NODES,
    PODS,
    SECRETS,
    JsonObject,
    KubernetesApi,
    Resource,
    Stream,
    WatchEvent,
)
from tesk_kubernetes.client import open_api

_TALKING = "echo one; echo two; until [ -e /tmp/go ]; do sleep 0.2; done; echo three"


_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class ApiKit(Protocol):
    """An API and a namespace that is the test's own."""

    namespace: str

    @property
    def api(self) -> KubernetesApi:
        """The API, with all rights."""

    def powerless(self) -> KubernetesApi:
        """Return the API for a caller who may neither read Secrets nor list nodes."""

    def watch_from_long_ago(self) -> Stream[WatchEvent]:
        """Watch from a version that the server no longer remembers."""

    def limit_secrets(self, most: int) -> None:
        """Set a quota."""

    def talk(self, name: str) -> None:
        """Run a pod that says "one" and "two", and "three" when it is resumed."""

    def resume(self, name: str) -> None:
        """Let that pod go on, and end."""

    def remark(self) -> None:
        """Let the server send bookmarks, if it does not by itself."""


def pod(name: str) -> JsonObject:
    """Return a pod that says what tests wait for."""
    container = {
        "name": "main",
        "image": "busybox:1.35",
        "command": ["sh", "-c", _TALKING],
    }
    return {
        "metadata": {"name": name, "labels": {"app": "talk"}},
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
        },
    }


def definition(group: str) -> JsonObject:
    """Return the definition of a kind of object that is in no cluster yet."""
    names = {"plural": "relics", "singular": "relic", "kind": "Relic"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"relics.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }


class FakeApiKit:
    """The cluster in memory."""

    def __init__(self) -> None:
        self.namespace = "fake"
        self.api = FakeKubernetesApi()
        self._cluster = FakeCluster(self.api)
        self.api.plant(NODES, "", make_node())

    def powerless(self) -> KubernetesApi:
        self.api.faults.forbid("get", SECRETS)
        self.api.faults.forbid("list", NODES)
        return self.api

    def watch_from_long_ago(self) -> Stream[WatchEvent]:
        version = self.api.list(PODS, self.namespace).resource_version
        self.api.expire()
        return self.api.watch(PODS, self.namespace, labels="", since=version)

    def limit_secrets(self, most: int) -> None:
        self.api.quotas[SECRETS, self.namespace] = most

    def talk(self, name: str) -> None:
        self._cluster.start(self.api.create(PODS, self.namespace, pod(name)))
        self.api.add_log(self.namespace, name, b"one\ntwo\n")

    def resume(self, name: str) -> None:
        self.api.add_log(self.namespace, name, b"three\n")
        found = self.api.peek(PODS, self.namespace, name)
        assert found is not None
        self._cluster.finish(found)

    def remark(self) -> None:
        self.api.bookmark()


class RealApiKit:
    """The cluster of ``KUBECONFIG``, in a namespace that goes with the test."""

    def __init__(self, kube: Kube, kubeconfig: Path, folder: Path) -> None:
        self.namespace = f"tesk-api-{uuid.uuid4().hex[:8]}"
        self.api: KubernetesApi = open_api({"KUBECONFIG": str(kubeconfig)})
        self._kube = kube
        self._kubeconfig = kubeconfig
        self._folder = folder
        self._of_everyone: list[str] = []

    def powerless(self) -> KubernetesApi:
        body = {"metadata": {"name": "nobody"}}
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        self._kube.call("POST", accounts, body=body)
        answer = self._kube.call("POST", f"{accounts}/nobody/token", body={"spec": {}})
        known: Any = yaml.safe_load(self._kubeconfig.read_text())
        for user in known["users"]:
            user["user"] = {"token": answer["status"]["token"]}
        file = self._folder / "nobody.yaml"
        file.write_text(yaml.safe_dump(known))
        return open_api({"KUBECONFIG": str(file)})

    def watch_from_long_ago(self) -> Stream[WatchEvent]:
        """Watch a kind of object from before there was such a kind.

        How long a server remembers the others depends on its age and its work.
        """
        group = f"{self.namespace}.example.org"
        relics = Resource(f"{group}/v1", "relics", "Relic")
        self._kube.call("POST", _DEFINITIONS, body=definition(group))
        self._of_everyone.append(f"{_DEFINITIONS}/relics.{group}")
        eventually(lambda: self._is_cached(relics), every=0.2)
        return self.api.watch(relics, self.namespace, labels="", since="1")

    def limit_secrets(self, most: int) -> None:
        spec = {"hard": {"secrets": str(most)}}
        make_quota(self._kube, self.namespace, "few", spec)

    def talk(self, name: str) -> None:
        self.api.create(PODS, self.namespace, pod(name))
        eventually(
            lambda: is_ready(self.api.get(PODS, self.namespace, name) or pod("")),
            every=0.2,
        )

    def resume(self, name: str) -> None:
        self._kube.execute(self.namespace, name, "touch", "/tmp/go")

    def remark(self) -> None:
        """Do nothing: bookmarks come each minute."""

    def remove(self) -> None:
        """Delete the namespace, and what is in none."""
        for path in self._of_everyone:
            self._kube.call("DELETE", path)
        self._kube.delete("namespaces", "", self.namespace)

    def _is_cached(self, resource: Resource) -> bool:
        """Tell whether the API server answers from its memory of a new kind."""
        path = f"/apis/{resource.api_version}/{resource.plural}"
        try:
            self._kube.call("GET", path, query={"resourceVersion": "0"})
        except ApiException:
            return False
        return True


@contextlib.contextmanager
def real_kit(kubeconfig: Path, folder: Path) -> Iterator[RealApiKit]:
    """Give the real API, in a namespace of its own."""
    with contextlib.closing(Kube()) as kube:
        kit = RealApiKit(kube, kubeconfig, folder)
        body = {"metadata": {"name": kit.namespace}}
        kube.call("POST", "/api/v1/namespaces", body=body)
        try:
            yield kit
        finally:
            kit.remove()
