"""Renders the objects that the scheduler creates in a cluster; pure."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tesk_kubernetes.api import CONFIG_MAPS, PODS, JsonObject
from tesk_kubernetes.labels import REVISION, TASKMASTER, common_labels
from tesk_kubernetes.templates import (
    literal,
    owner_reference,
    with_environment,
    with_labels,
)

_LAUNCHER_KEY = "launcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner of the objects of a namespace; ``uid`` "": there is none."""

    name: str
    uid: str


def pod_name(taskmaster_id: str) -> str:
    """Return the name of a taskmaster's pod."""
    return f"tesk-{taskmaster_id}"


def launcher_name(binary: bytes, owners: Mapping[str, Owner]) -> str:
    """Return the name of the ConfigMaps with this launcher.

    It depends on the owners, too, since uninstalling another release deletes theirs.
    """
    uids = sorted((namespace, owner.uid) for namespace, owner in owners.items())
    digest = hashlib.sha256(binary + json.dumps(uids).encode("ascii"))
    return f"tesk-launcher-{digest.hexdigest()[:10]}"


@lru_cache(maxsize=1)  # called for every call of a taskmaster, on a megabyte
def revision_of(template: bytes, binary: bytes) -> str:
    """Return the hash of a template of taskmasters' pods and a launcher.

    The template holds the image, and a checksum of the settings and of the
    other templates that taskmasters read.
    """
    parts = (hashlib.sha256(part).digest() for part in (template, binary))
    return hashlib.sha256(b"".join(parts)).hexdigest()[:10]


def render_launcher(
    binary: bytes, *, instance: str, namespace: str, owners: Mapping[str, Owner]
) -> JsonObject:
    """Render the ConfigMap that executors mount the launcher from.

    Its name is a hash of its content, so it never changes, and taskmasters of two
    versions each find theirs.
    """
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.kind,
        "metadata": {
            "name": launcher_name(binary, owners),
            "namespace": namespace,
            "labels": common_labels(instance, "launcher"),
            **_owned(owners[namespace]),
        },
        "immutable": True,
        "binaryData": {_LAUNCHER_KEY: base64.b64encode(binary).decode("ascii")},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterPodParameters:
    """Where a taskmaster's pod is created, and its variables.

    Attributes:
        owners: Owners by task namespace, this one's among them.
        launcher: Name of the launcher's ConfigMap.
        revision: Of what it is started from.
    """

    instance: str
    namespace: str
    owners: Mapping[str, Owner]
    launcher: str
    revision: str


def render_taskmaster(
    template: JsonObject, taskmaster_id: str, parameters: TaskmasterPodParameters
) -> JsonObject:
    """Render the pod of a taskmaster.

    Raises:
        TemplateError: The template has no container ``main``.
    """
    own = {TASKMASTER: taskmaster_id, REVISION: parameters.revision}
    labels = common_labels(parameters.instance, "taskmaster") | own
    uids = {name: owner.uid for name, owner in parameters.owners.items() if owner.uid}
    variables = {
        "TESK_TASKMASTER_ID": taskmaster_id,
        "TESK_KUBERNETES_OWNER_UIDS": json.dumps(uids, sort_keys=True),
        "TESK_KUBERNETES_LAUNCHER": parameters.launcher,
    }
    env = [{"name": name, "value": literal(value)} for name, value in variables.items()]
    pod = with_environment(with_labels(template, labels), env)
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {
            **pod["metadata"],
            "name": pod_name(taskmaster_id),
            "namespace": parameters.namespace,
            **_owned(parameters.owners[parameters.namespace], is_controller=True),
        },
        # The kubelet restarts a crashed container in a second, without the API server.
        "spec": pod["spec"] | {"restartPolicy": "OnFailure"},
    }


def _owned(owner: Owner, *, is_controller: bool = False) -> JsonObject:
    """Return the ownerReferences by which an object is deleted with its owner.

    ``kubectl drain`` and cluster autoscalers refuse to move a pod without a
    controller; the scheduler recreates these pods, so the owner counts as one.
    """
    if not owner.uid:
        return {}
    reference = owner_reference(CONFIG_MAPS, name=owner.name, uid=owner.uid)
    return {"ownerReferences": [reference | {"controller": is_controller}]}
