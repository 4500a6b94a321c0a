"""Objects that make a cluster refuse, or never provide, what a task needs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cluster.kube import Kube
from programs.waiting import eventually

MESSAGE = "not in this house"


@contextmanager
def priority_class(kube: Kube, name: str) -> Iterator[None]:
    """Have a PriorityClass."""
    kube.apply(
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": 0,
            "description": "for the end-to-end tests of TESK",
        }
    )
    try:
        yield
    finally:
        kube.delete("priorityclasses", "", name)


def make_quota(kube: Kube, namespace: str, name: str, spec: Mapping[str, Any]) -> None:
    """Make a ResourceQuota, and wait until the cluster goes by it."""
    meta = {"name": name, "namespace": namespace}
    kube.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": spec}
    )

    def counts() -> bool:
        quota = kube.get("resourcequotas", namespace, name) or {}
        return "used" in quota.get("status", {})

    eventually(counts, every=0.1, what=f"the quota {name}")


@contextmanager
def quota_of_priority_class(kube: Kube, name: str, *, namespace: str) -> Iterator[None]:
    """Allow no pod of a PriorityClass in a namespace."""
    classes = {"scopeName": "PriorityClass", "operator": "In", "values": [name]}
    spec = {"hard": {"pods": "0"}, "scopeSelector": {"matchExpressions": [classes]}}
    make_quota(kube, namespace, name, spec)
    try:
        yield
    finally:
        kube.delete("resourcequotas", namespace, name)


@contextmanager
def storage_class_without_provisioner(kube: Kube, name: str) -> Iterator[None]:
    """Have a StorageClass whose volumes nobody makes."""
    kube.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    try:
        yield
    finally:
        kube.delete("storageclasses", "", name)


@contextmanager
def admission_policy(
    kube: Kube, name: str, *, namespace: str, image: str
) -> Iterator[None]:
    """Refuse pods of one image in one namespace."""
    api_version = "admissionregistration.k8s.io/v1"
    kube.apply(
        {
            "apiVersion": api_version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["pods"],
                        }
                    ]
                },
                "validations": [
                    {
                        "expression": "object.spec.containers.all(c, "
                        f"c.image != '{image}')",
                        "message": MESSAGE,
                    }
                ],
            },
        },
        {
            "apiVersion": api_version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {
                    "namespaceSelector": {
                        "matchLabels": {"kubernetes.io/metadata.name": namespace}
                    }
                },
            },
        },
    )
    try:
        yield
    finally:
        kube.delete("validatingadmissionpolicybindings", "", name)
        kube.delete("validatingadmissionpolicies", "", name)
