"""A place on the real cluster for taskmasters, with their rights alone."""

import base64
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from cluster.kube import Kube
from fakes.taskmaster_cluster_runtimes import ClusterRuntimes
from programs.waiting import eventually
from tesk_kubernetes.api import KubernetesApi
from tesk_kubernetes.client import open_api

LAUNCHER = Path(__file__).parents[2] / "build" / "launcher"

# All that a taskmaster may do, in each of the task namespaces.
RIGHTS = [
    {
        "apiGroups": ["batch"],
        "resources": ["jobs"],
        "verbs": ["create", "get", "list", "watch", "delete"],
    },
    {
        "apiGroups": [""],
        "resources": ["persistentvolumeclaims"],
        "verbs": ["create", "get", "list", "watch", "delete"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events", "limitranges"], "verbs": ["list"]},
    {"apiGroups": ["kueue.x-k8s.io"], "resources": ["workloads"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete"]},
]


class CountedApi:
    """Passes calls on, and counts them by verb and kind."""

    def __init__(self, api: KubernetesApi) -> None:
        self.calls: Counter[str] = Counter()
        self._api = api

    def __getattr__(self, verb: str) -> Any:
        called = getattr(self._api, verb)

        def call(first: Any, *args: Any, **fields: Any) -> Any:
            self.calls[f"{verb} {getattr(first, 'plural', 'pods/log')}"] += 1
            return called(first, *args, **fields)

        return call


def _limited_api(kube: Kube, namespace: str, folder: Path) -> KubernetesApi:
    """Return the API for a service account with the rights of a taskmaster."""
    core = f"/api/v1/namespaces/{namespace}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    account = {"kind": "ServiceAccount", "name": "tm", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tm"}
    meta = {"metadata": {"name": "tm"}}
    kube.call("POST", f"{core}/serviceaccounts", body=meta)
    kube.call("POST", f"{rbac}/roles", body=meta | {"rules": RIGHTS})
    binding = meta | {"roleRef": role, "subjects": [account]}
    kube.call("POST", f"{rbac}/rolebindings", body=binding)
    answer = kube.call("POST", f"{core}/serviceaccounts/tm/token", body={"spec": {}})
    known: Any = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text("utf-8"))
    for user in known["users"]:
        user["user"] = {"token": answer["status"]["token"]}
    (folder / "kubeconfig").write_text(yaml.safe_dump(known), "utf-8")
    environ = {"KUBECONFIG": str(folder / "kubeconfig")}
    return open_api(environ, retry_for=timedelta(seconds=2))


@contextmanager
def real_cluster(**fields: Any) -> Iterator[ClusterRuntimes]:
    """Give the cluster of KUBECONFIG, in a namespace of the test's own.

    Its taskmasters have the rights of taskmasters; ``fields`` are of ``ClusterRuntimes``.
    """
    namespace = f"tesk-test-{uuid.uuid4().hex[:10]}"
    with closing(Kube()) as kube:
        kube.make_namespace(namespace)
        try:
            eventually(
                lambda: kube.get("serviceaccounts", namespace, "default"),
                what="the default service account",
            )
            core = f"/api/v1/namespaces/{namespace}"
            launcher = base64.b64encode(LAUNCHER.read_bytes()).decode("ascii")
            config = {
                "metadata": {"name": "tesk-l"},
                "binaryData": {"launcher": launcher},
            }
            kube.call("POST", f"{core}/configmaps", body=config)
            with TemporaryDirectory() as folder:
                api = _limited_api(kube, namespace, Path(folder))
                with closing(
                    ClusterRuntimes(api=api, namespaces=[namespace], **fields)
                ) as runtimes:
                    yield runtimes
        finally:
            kube.delete("namespaces", "", namespace)
