"""Objects that make a cluster refuse, or never provide, what a task needs."""

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.kube import Kube

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


@contextmanager
def quota_of_priority_class(kube: Kube, name: str, *, namespace: str) -> Iterator[None]:
    """Allow no pod of a PriorityClass in a namespace."""
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "hard": {"pods": "0"},
                "scopeSelector": {
                    "matchExpressions": [
                        {
                            "scopeName": "PriorityClass",
                            "operator": "In",
                            "values": [name],
                        }
                    ]
                },
            },
        }
    )
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
