"""Gives each step of a pod empty directories of its own, as it has in a pod of its own.

A template's emptyDir would else hold what an earlier step left in it, in ``/tmp`` say.
One that a container beside the steps mounts, too, is how both talk, and stays one.
"""

from collections.abc import Iterable

from tesk_kubernetes.api import JsonObject


def own_scratch(
    step: str, container: JsonObject, spec: JsonObject
) -> tuple[JsonObject, list[JsonObject]]:
    """Return the container of a step, and the volumes that it needs beside the pod's.

    Args:
        step: Its name, by which its volumes are named.
        container: Of the template.
        spec: Of the pod, with its volumes and the containers beside the steps.
    """
    beside = [*(spec.get("initContainers") or ()), *spec["containers"]]
    shared = {name for each in beside for name in _mounted(each)}
    empty = {
        volume["name"]: volume
        for volume in spec.get("volumes") or ()
        if "emptyDir" in volume
    }
    names = [
        name
        for name in dict.fromkeys(_mounted(container))
        if name in empty and name not in shared
    ]
    own = {name: f"tesk-scratch-{step}-{at}" for at, name in enumerate(names)}
    if not own:
        return container, []
    mounts = [
        {**mount, "name": own.get(mount["name"], mount["name"])}
        for mount in container["volumeMounts"]
    ]
    volumes = [{**empty[name], "name": new} for name, new in own.items()]
    return {**container, "volumeMounts": mounts}, volumes


def _mounted(container: JsonObject) -> Iterable[str]:
    return [mount["name"] for mount in container.get("volumeMounts") or ()]
