"""Completes the deployment's pod template for one step."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.templates import (
    literal,
    main_container,
    with_environment,
    with_labels,
    with_main,
    with_mounts,
    with_node_selector,
    with_required_nodes,
    with_tolerations,
    with_volumes,
)
from tesk_taskmaster.adapters.kubernetes.manifests.placement import (
    Nodes,
    lost_node_tolerations,
)
from tesk_taskmaster.ports import StepFailedError

TERMINATION_MESSAGE = "/dev/termination-log"
"""File whose text becomes the termination message of the main container."""

REPORT = ("--report", TERMINATION_MESSAGE)
"""The launcher's report becomes the container's termination message."""

_GRACE_SECONDS = 30
_MILLI = 1000
_VARIABLE_NAME = re.compile(r"[ -<>-~]+")  # printable ASCII but "="


@dataclass(frozen=True, slots=True, kw_only=True)
class PodParts:
    """What a step adds to its pod template.

    Attributes:
        labels: Of the pod; they override those of the template.
        main: Fields of the main container that are set.
        env: Variables of the main container; likewise.
        mounts: Of the main container; they replace those at the same paths.
        volumes: Of the pod.
        nodes: Where it may run.
        init_containers: After those of the template.
        runtime_class: Or "".
        claims: Of devices: names of ResourceClaimTemplates by the names in the pod.
    """

    labels: Mapping[str, str]
    main: Mapping[str, Any]
    env: Mapping[str, str]
    mounts: Sequence[JsonObject]
    volumes: Sequence[JsonObject]
    nodes: Nodes
    init_containers: Sequence[JsonObject] = ()
    runtime_class: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)


def complete_pod(template: JsonObject, parts: PodParts) -> JsonObject:
    """Return the pod template of a step's Job; ``template`` is not changed.

    Raises:
        StepFailedError: Kubernetes cannot set a variable of this name.
    """
    return complete_whole(complete_main(template, parts), parts)


def complete_main(template: JsonObject, parts: PodParts) -> JsonObject:
    """Return ``template`` with the main container of a step.

    Raises:
        StepFailedError: See ``complete_pod``.
    """
    main = {
        # Another one, of the template, would lose the launcher's reports.
        "terminationMessagePath": TERMINATION_MESSAGE,
        # For a failed container without a message: the end of its log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **parts.main,
    }
    pod = with_environment(with_main(template, main), _variables(parts.env))
    return with_mounts(pod, parts.mounts)


def complete_whole(template: JsonObject, parts: PodParts) -> JsonObject:
    """Return ``template`` with what the pod has beside its main container."""
    nodes = parts.nodes
    pod = with_volumes(with_labels(template, parts.labels), parts.volumes)
    if nodes.selector:
        pod = with_node_selector(pod, nodes.selector)
    pod = with_tolerations(pod, nodes.tolerations)
    given = pod["spec"].get("tolerations") or []
    pod = with_tolerations(pod, lost_node_tolerations(given))
    if nodes.requirements:
        pod = with_required_nodes(pod, [{"matchExpressions": nodes.requirements}])
    spec = pod["spec"]
    if parts.init_containers:
        given = spec.get("initContainers") or []
        spec["initContainers"] = [*given, *parts.init_containers]
    spec["restartPolicy"] = "Never"
    spec["automountServiceAccountToken"] = False
    spec["enableServiceLinks"] = False
    spec.setdefault("terminationGracePeriodSeconds", _GRACE_SECONDS)
    if nodes.priority_class:
        spec["priorityClassName"] = nodes.priority_class
    if parts.runtime_class:
        spec["runtimeClassName"] = parts.runtime_class
    if parts.claims:
        given = spec.get("resourceClaims") or []
        spec["resourceClaims"] = [
            *given,
            *(
                {"name": name, "resourceClaimTemplateName": template}
                for name, template in parts.claims.items()
            ),
        ]
    return pod


def main_resources(
    template: JsonObject,
    *,
    requests: Mapping[str, str],
    limits: Mapping[str, str],
    claims: Sequence[str] = (),
) -> JsonObject:
    """Return the resources of the main container: these, and others of the template.

    A cpu limit of the template is dropped: one below the request of a task would be
    refused; the settings have a ratio for it.
    """
    given = main_container(template).get("resources") or {}
    kept = {
        name: amount
        for name, amount in (given.get("limits") or {}).items()
        if name != "cpu"
    }
    claimed = [*(given.get("claims") or ()), *({"name": name} for name in claims)]
    return {
        **given,
        "requests": {**(given.get("requests") or {}), **requests},
        "limits": {**kept, **limits},
        **({"claims": claimed} if claimed else {}),
    }


def cpu_quantity(cores: float) -> str:
    """Return CPU cores as millicores, rounded up, e.g. ``"500m"``."""
    # Rounded first: 1.001 cores are 1001 millicores, not 1002.
    return f"{max(1, math.ceil(round(cores * _MILLI, 6)))}m"


def _variables(env: Mapping[str, str]) -> list[JsonObject]:
    for name in env:
        if _VARIABLE_NAME.fullmatch(name) is None:
            raise StepFailedError(
                f"the environment variable {name[:64]!a} cannot be set: Kubernetes "
                "takes names of printable ASCII characters only"
            )
    # Sorted: the order of a map that came over the wire means nothing.
    return [{"name": name, "value": literal(env[name])} for name in sorted(env)]
