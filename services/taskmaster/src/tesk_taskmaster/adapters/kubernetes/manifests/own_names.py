"""Gives filers that share a pod with commands names that these cannot change.

All containers of a pod have one ``/etc/hosts`` and one ``/etc/resolv.conf``, which root
can write in any of them: a command could lead a filer, which has credentials, to hosts
of its own. What a container mounts there itself takes their place.

Source:
    Kubernetes, "Adding entries to Pod /etc/hosts with HostAliases": the kubelet manages
    the file of each container that mounts none there.
"""

import re
from collections.abc import Mapping, Sequence

from tesk_kubernetes.api import JsonObject

_VOLUME = "tesk-names"
_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
# The first domain to search is that of the namespace of a pod.
_SEARCHED = re.compile(r"^(search[ \t]+)[a-z0-9-]+(?=\.svc\.)", re.MULTILINE)
# What makes the names of a pod others than those of the taskmaster's.
_OTHERS = ("dnsPolicy", "dnsConfig", "hostAliases")


def own_names(resolver: str, namespace: str, spec: JsonObject) -> Mapping[str, str]:
    """Return files of a filer by name in ``/etc``; empty: it has those of its pod.

    Args:
        resolver: The ``resolv.conf`` of a pod of the cluster; "": not known.
        namespace: Of the filer's pod.
        spec: Of that pod, as templates give it.
    """
    if not resolver or any(spec.get(field) for field in _OTHERS):
        return {}
    return {
        "hosts": _HOSTS,
        "resolv.conf": _SEARCHED.sub(rf"\g<1>{namespace}", resolver),
    }


def name_annotations(names: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations of the pod that hold the files."""
    return {_annotation(name): text for name, text in names.items()}


def name_volumes(names: Mapping[str, str]) -> Sequence[JsonObject]:
    """Return the volume of the files, which is that of the pod's annotations."""
    items = [
        {
            "path": name,
            "fieldRef": {"fieldPath": f"metadata.annotations['{_annotation(name)}']"},
        }
        for name in names
    ]
    return [{"name": _VOLUME, "downwardAPI": {"items": items}}] if items else []


def name_mounts(
    names: Mapping[str, str], given: Sequence[JsonObject]
) -> Sequence[JsonObject]:
    """Return the mounts of a filer, but where its template mounts something."""
    taken = {mount["mountPath"] for mount in given}
    return [
        {
            "name": _VOLUME,
            "mountPath": f"/etc/{name}",
            "subPath": name,
            "readOnly": True,
        }
        for name in names
        if f"/etc/{name}" not in taken
    ]


def _annotation(name: str) -> str:
    return f"tesk/{name}"
