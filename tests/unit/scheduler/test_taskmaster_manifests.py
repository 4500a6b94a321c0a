"""The objects that the scheduler makes, whole, as clusters take them."""

import base64
from typing import Any

import pytest

from charts.kubernetes_schema import VERSIONS, problems
from tesk_kubernetes.api import JsonObject
from tesk_scheduler.adapters.kubernetes.manifests import (
    Owner,
    TaskmasterPodParameters,
    launcher_name,
    render_launcher,
    render_taskmaster,
)

OWNERS = {
    "a": Owner(name="tesk-tasks", uid="uid-a"),
    "b": Owner(name="tesk-tasks", uid="uid-b"),
}
REFERENCE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "tesk-tasks",
    "uid": "uid-b",
    "controller": False,
    "blockOwnerDeletion": False,
}
LABELS = {
    "app.kubernetes.io/name": "tesk",
    "app.kubernetes.io/instance": "mine",
    "app.kubernetes.io/managed-by": "tesk",
}
TEMPLATE: JsonObject = {
    "metadata": {
        "labels": {"team": "x", "app.kubernetes.io/component": "theirs"},
        "annotations": {"note": "kept"},
    },
    "spec": {
        "serviceAccountName": "tesk-taskmaster",
        "containers": [
            {"name": "main", "image": "tesk-taskmaster:1", "env": [{"name": "A"}]},
            {"name": "side", "image": "side:1"},
        ],
    },
}


def make_parameters(**overrides: Any) -> TaskmasterPodParameters:
    """Return a place in namespace b of two."""
    fields: dict[str, Any] = {
        "instance": "mine",
        "namespace": "b",
        "owners": OWNERS,
        "launcher": "tesk-launcher-0123456789",
        "revision": "r1",
    }
    return TaskmasterPodParameters(**(fields | overrides))


def test_the_pod_of_a_taskmaster() -> None:
    assert render_taskmaster(TEMPLATE, "tm-1", make_parameters()) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "tesk-tm-1",
            "namespace": "b",
            "labels": LABELS
            | {
                "app.kubernetes.io/component": "taskmaster",
                "tesk/taskmaster": "tm-1",
                "tesk/revision": "r1",
                "team": "x",
            },
            "annotations": {"note": "kept"},
            "ownerReferences": [REFERENCE | {"controller": True}],
        },
        "spec": {
            "serviceAccountName": "tesk-taskmaster",
            "restartPolicy": "OnFailure",
            "containers": [
                {
                    "name": "main",
                    "image": "tesk-taskmaster:1",
                    "env": [
                        {"name": "A"},
                        {"name": "TESK_TASKMASTER_ID", "value": "tm-1"},
                        {
                            "name": "TESK_KUBERNETES_OWNER_UIDS",
                            "value": '{"a": "uid-a", "b": "uid-b"}',
                        },
                        {
                            "name": "TESK_KUBERNETES_LAUNCHER",
                            "value": "tesk-launcher-0123456789",
                        },
                    ],
                },
                {"name": "side", "image": "side:1"},
            ],
        },
    }


def test_the_launcher() -> None:
    binary = b"\x7fELF"

    made = render_launcher(binary, instance="mine", namespace="b", owners=OWNERS)

    assert made == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": launcher_name(binary, OWNERS),
            "namespace": "b",
            "labels": LABELS | {"app.kubernetes.io/component": "launcher"},
            "ownerReferences": [REFERENCE],
        },
        "immutable": True,
        "binaryData": {"launcher": base64.b64encode(binary).decode()},
    }


def test_the_name_of_a_launcher_follows_from_what_it_is() -> None:
    others = {"b": Owner(name="tesk-tasks", uid="another")}
    names = {
        launcher_name(b"a", OWNERS),
        launcher_name(b"b", OWNERS),
        launcher_name(b"a", others),  # goes with another installation
    }

    assert len(names) == 3
    assert launcher_name(b"a", dict(reversed(OWNERS.items()))) in names


def test_objects_without_an_owner_have_no_owner_references() -> None:
    no_owner = {"b": Owner(name="", uid="")}

    pod = render_taskmaster(TEMPLATE, "tm-1", make_parameters(owners=no_owner))

    assert "ownerReferences" not in pod["metadata"]
    env = pod["spec"]["containers"][0]["env"]
    assert {"name": "TESK_KUBERNETES_OWNER_UIDS", "value": "{}"} in env


@pytest.mark.parametrize("version", VERSIONS)
def test_clusters_accept_the_objects(version: str) -> None:
    launcher = render_launcher(b"x", instance="i", namespace="b", owners=OWNERS)

    assert (
        problems(render_taskmaster(TEMPLATE, "tm-1", make_parameters()), version) == []
    )
    assert problems(launcher, version) == []
