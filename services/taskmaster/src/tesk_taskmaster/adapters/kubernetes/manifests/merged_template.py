"""Merges the templates of executor and filer pods into one, for a pod of both.

What a pod has as a whole, all its containers have: what is the filers' alone there
would be the executors', too. So such templates are refused, each with a sentence; what
belongs to containers stays with its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.json_copies import copied
from tesk_kubernetes.templates import MAIN, TemplateError, main_container
from tesk_taskmaster.adapters.kubernetes.manifests.references import claim_of

# Of a pod's security context: what each container can have for itself.
_OF_CONTAINERS = (
    "appArmorProfile",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "windowsOptions",
)
_WATCHED = ("shareProcessNamespace", "hostPID")
# They say where a pod may run, and how it is pulled: nothing that a program has.
_JOINED_LISTS = ("tolerations", "imagePullSecrets")
_OF_NODES = ("cluster-autoscaler.kubernetes.io/", "karpenter.sh/")
_OWN = "tesk/"
_GRACE = "terminationGracePeriodSeconds"
# Every pod of TESK has its own of these.
_SET = ("automountServiceAccountToken", "enableServiceLinks", "restartPolicy")
_MERGED = {
    *("containers", "initContainers", "volumes", "securityContext", "nodeSelector"),
    *_JOINED_LISTS,
    *_WATCHED,
    *_SET,
    _GRACE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedTemplate:
    """A pod for executors and filers.

    Attributes:
        pod: Without a container ``main``.
        executor: The container ``main`` of executors, complete.
        filer: That of filers; its mounts name volumes of ``pod``.
    """

    pod: JsonObject
    executor: JsonObject
    filer: JsonObject


def merge_templates(executor: JsonObject, filer: JsonObject) -> MergedTemplate:
    """Return the template of a pod for executors and filers.

    Raises:
        TemplateError: Executors would get something of the filers'; the message
            names the field.
    """
    executor, filer = copied(executor), copied(filer)
    own, other = executor["spec"], filer["spec"]
    for field in _WATCHED:
        if own.get(field) or other.get(field):
            raise TemplateError(
                f"spec.{field}: executors could look into filers: leave it out"
            )
    _refuse_difference("spec", own, other, ignored=_MERGED)
    context = _split_contexts(own, other)
    volumes = _join_volumes(own, other)
    mains = main_container(executor), main_container(filer)
    spec = {
        **own,
        **({"securityContext": context} if context else {}),
        "containers": _others(own, other, "containers"),
        "initContainers": _others(own, other, "initContainers"),
        "volumes": volumes,
        "nodeSelector": _joined_selector(own, other),
        **{field: _joined(own, other, field) for field in _JOINED_LISTS},
    }
    if _GRACE in own or _GRACE in other:
        spec[_GRACE] = max(own.get(_GRACE) or 0, other.get(_GRACE) or 0)
    pod = {
        "metadata": _metadata(executor, filer),
        "spec": {field: value for field, value in spec.items() if value not in ([], {})}
        | {"containers": spec["containers"]},
    }
    return MergedTemplate(pod=pod, executor=mains[0], filer=mains[1])


def _refuse_difference(
    where: str,
    own: Mapping[str, Any],
    other: Mapping[str, Any],
    *,
    ignored: Iterable[str] = (),
) -> None:
    """Raise if filers have something that executors do not have likewise."""
    for field in sorted(other.keys() - set(ignored)):
        if other[field] not in (None, own.get(field)):
            raise TemplateError(
                f"{where}.{field}: executors would have that of filers: give both the "
                "same, or filers none"
            )


def _metadata(executor: JsonObject, filer: JsonObject) -> JsonObject:
    own, other = executor.get("metadata") or {}, filer.get("metadata") or {}
    merged = copied(own)
    theirs = other.get("labels") or {}
    needed = {key: value for key, value in theirs.items() if key.startswith(_OWN)}
    labels = own.get("labels") or {}
    _refuse_difference("metadata.labels", labels, theirs, ignored=needed)
    _refuse_difference(
        "metadata.annotations",
        own.get("annotations") or {},
        {
            key: value
            for key, value in (other.get("annotations") or {}).items()
            if not key.startswith(_OF_NODES)
        },
    )
    if labels or needed:
        merged["labels"] = {**labels, **needed}
    return merged


def _split_contexts(own: JsonObject, other: JsonObject) -> JsonObject:
    """Give each container the context of its pod; return that of the whole."""
    wholes = []
    for spec in (own, other):
        context = spec.get("securityContext") or {}
        parts = {key: context[key] for key in _OF_CONTAINERS if key in context}
        wholes.append({key: context[key] for key in context if key not in parts})
        for container in _containers(spec):
            given = container.get("securityContext") or {}
            if parts or given:
                container["securityContext"] = {**parts, **given}
    _refuse_difference("spec.securityContext", *wholes)
    return wholes[0]


def _join_volumes(own: JsonObject, other: JsonObject) -> list[JsonObject]:
    """Return the volumes of both; mounts of ``other`` follow those that are renamed.

    A claim is there once: a pod that has it twice never starts.
    """
    volumes = list(own.get("volumes") or ())
    claims = {claim_of(volume): volume for volume in volumes if claim_of(volume)}
    names = {volume["name"] for volume in (*volumes, *(other.get("volumes") or ()))}
    taken = {volume["name"] for volume in volumes}
    for volume in other.get("volumes") or ():
        name = volume["name"]
        if shared := claims.get(claim_of(volume)):
            _share(shared, volume, own, other)
            continue
        if name in taken:
            new = next(
                f"tesk-filer-{at}"
                for at in range(len(names) + 1)
                if f"tesk-filer-{at}" not in names
            )
            names.add(new)
            _rename_mounts(other, name, new)
            volume["name"] = new
        volumes.append(volume)
    return volumes


def _share(
    shared: JsonObject, volume: JsonObject, own: JsonObject, other: JsonObject
) -> None:
    """Let ``other`` use a claim of ``own``; what was read-only stays so for each."""
    sides = ((own, shared), (other, volume))
    for spec, each in sides:
        if each["persistentVolumeClaim"].get("readOnly"):
            for mount in _mounts(spec, each["name"]):
                mount["readOnly"] = True
    is_read_only = all(
        each["persistentVolumeClaim"].get("readOnly") for _, each in sides
    )
    _rename_mounts(other, volume["name"], shared["name"])
    shared["persistentVolumeClaim"].pop("readOnly", None)
    if is_read_only:
        shared["persistentVolumeClaim"]["readOnly"] = True


def _rename_mounts(spec: JsonObject, name: str, new: str) -> None:
    for mount in _mounts(spec, name):
        mount["name"] = new


def _mounts(spec: JsonObject, name: str) -> list[JsonObject]:
    return [
        mount
        for container in _containers(spec)
        for mount in container.get("volumeMounts") or ()
        if mount["name"] == name
    ]


def _containers(spec: JsonObject) -> list[JsonObject]:
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def _others(own: JsonObject, other: JsonObject, field: str) -> list[JsonObject]:
    """Return the containers beside ``main``, of both."""
    given = [*(own.get(field) or ()), *(other.get(field) or ())]
    found = [container for container in given if container["name"] != MAIN]
    names = [container["name"] for container in found]
    for name in names:
        if names.count(name) > 1:
            raise TemplateError(
                f"spec.{field}: executors and filers both have {name}: give one of "
                "them another name"
            )
    return found


def _joined_selector(own: JsonObject, other: JsonObject) -> JsonObject:
    left, right = own.get("nodeSelector") or {}, other.get("nodeSelector") or {}
    for label in sorted(left.keys() & right.keys()):
        if left[label] != right[label]:
            raise TemplateError(
                f"spec.nodeSelector: no node suits both executors and filers: they want "
                f"different values of {label}"
            )
    return {**right, **left}


def _joined(own: JsonObject, other: JsonObject, field: str) -> list[Any]:
    left = own.get(field) or []
    return [*left, *(each for each in other.get(field) or () if each not in left)]
