"""Calls on the cluster under test, as an administrator makes them.

Not by the library that TESK itself uses: what is tested does not judge itself.
"""

import functools
import json
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.config.kube_config import new_client_from_config

from programs.waiting import eventually

Object = dict[str, Any]

# Where each kind lives; what is not here is core/v1.
_GROUPS = {
    "jobs": "/apis/batch/v1",
    "deployments": "/apis/apps/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
    "priorityclasses": "/apis/scheduling.k8s.io/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
    "validatingadmissionpolicies": "/apis/admissionregistration.k8s.io/v1",
    "validatingadmissionpolicybindings": "/apis/admissionregistration.k8s.io/v1",
}
_NOT_FOUND = 404


def name_of(item: Object) -> str:
    """Return an object's name."""
    return str(item["metadata"]["name"])


class Kube:
    """The cluster of ``KUBECONFIG``."""

    def __init__(self) -> None:
        # Its SDK has no types; all use of it is in this class.
        self._client: Any = new_client_from_config()

    def close(self) -> None:
        """Close its connections."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """Make one call and return the decoded answer."""
        response = self._client.call_api(
            path,
            method,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=30,
        )
        data = response.data
        response.release_conn()
        return json.loads(data) if data else None

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None if there is none."""
        try:
            found: Object = self.call("GET", f"{_path(plural, namespace)}/{name}")
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return found

    def list(self, plural: str, namespace: str, labels: str = "") -> list[Object]:
        """Return the objects that a label selector selects, by name."""
        found = self.call(
            "GET", _path(plural, namespace), query={"labelSelector": labels}
        )
        return sorted(found["items"], key=name_of)

    def delete(
        self, plural: str, namespace: str, name: str, *, grace: int | None = None
    ) -> None:
        """Delete an object, as ``kubectl delete`` does; gone already is fine."""
        options: Object = {"propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.call("DELETE", f"{_path(plural, namespace)}/{name}", body=options)
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise

    def patch(self, plural: str, namespace: str, name: str, body: Object) -> None:
        """Change an object by a merge patch."""
        self.call(
            "PATCH",
            f"{_path(plural, namespace)}/{name}",
            body=body,
            content_type="application/merge-patch+json",
        )

    def evict(self, namespace: str, pod: str) -> None:
        """Evict a pod, as ``kubectl drain`` does."""
        self.call(
            "POST",
            f"{_path('pods', namespace)}/{pod}/eviction",
            body={
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": pod, "namespace": namespace},
            },
        )

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Create or change objects, as ``kubectl apply`` does."""
        run("kubectl", "apply", "-f", "-", text=yaml.safe_dump_all(manifests))

    def execute(
        self, namespace: str, pod: str, *command: str, container: str = ""
    ) -> str:
        """Run a command in a container of a pod and return what it prints."""
        which = ["-n", namespace, pod, *(("-c", container) if container else ())]
        return run("kubectl", "exec", *which, "--", *command)

    def names_of_all(self, namespace: str) -> Sequence[str]:
        """Name all objects of a namespace, e.g. ``secret/a``, but for events."""
        found = run(
            *("kubectl", "get", ",".join(_listable_kinds()), "-n", namespace),
            *("-o", "name", "--ignore-not-found"),
        )
        return sorted(found.split())

    def wait_until_only(self, namespace: str, names: Collection[str]) -> None:
        """Wait until a namespace holds nothing but ``names``."""
        wait_until_none(
            lambda: [it for it in self.names_of_all(namespace) if it not in names],
            within=60,
            every=2,
        )

    def make_namespace(self, name: str) -> None:
        """Make a namespace."""
        self.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )

    def wait_for_pods(self, namespace: str, labels: str, within: float = 120) -> None:
        """Wait until every selected pod, at least one, is ready."""

        def ready() -> bool:
            pods = self.list("pods", namespace, labels)
            return bool(pods) and all(is_ready(pod) for pod in pods)

        eventually(
            ready, within=within, every=0.3, what=f"ready pods {labels} in {namespace}"
        )


def _path(plural: str, namespace: str) -> str:
    group = _GROUPS.get(plural, "/api/v1")
    return (
        f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"
    )


@functools.cache
def _listable_kinds() -> tuple[str, ...]:
    """Return the kinds of objects that namespaces have, but for what only tells."""
    kinds = run(
        *("kubectl", "api-resources", "--namespaced", "--verbs=list", "-o", "name")
    ).split()
    # Of Kueue, which tests bring and take away, only what dies with its Job is made.
    return tuple(
        kind
        for kind in kinds
        if not kind.startswith(("events", "endpoints"))
        and not kind.endswith("kueue.x-k8s.io")
    )


def is_ready(pod: Object) -> bool:
    """Return whether a pod is ready and stays."""
    conditions = pod.get("status", {}).get("conditions", [])
    return "deletionTimestamp" not in pod["metadata"] and any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in conditions
    )


def run(*command: str, text: str = "", within: float = 300) -> str:
    """Run a program and return what it prints; fail with what it complains of."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=within, check=False
    )
    shown = " ".join(command[:6])
    assert done.returncode == 0, f"{shown}: {done.stderr or done.stdout}"
    return done.stdout


def wait_until_none(
    look: Callable[[], Sequence[str]], *, within: float, every: float = 0.5
) -> None:
    """Wait until ``look`` finds nothing; fail with what it still finds."""
    try:
        eventually(lambda: not look(), within=within, every=every)
    except AssertionError as error:
        raise AssertionError(f"left after {within} s: {look()}") from error
