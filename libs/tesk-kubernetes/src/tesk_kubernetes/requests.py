"""Computes the resource requests of pods and the resources of nodes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tesk_kubernetes.quantities import parse_amount

Resources = Mapping[str, Decimal]
"""``cpu`` in cores, ``memory`` in bytes, all else as a number."""

_REQUESTS = "requests."


def pod_requests(pod: Mapping[str, Any]) -> Resources:
    """Return the effective requests of a pod or a template.

    The sum over its containers and sidecars, or its largest init container, whichever
    is more; or what the pod itself asks for, if it does. A limit without a request is
    the request, too.

    Source:
        Kubernetes, "Resource sharing within containers" (init containers); "Assign
        Pod-level CPU and memory resources".
    """
    spec = pod["spec"]
    beside: Resources = {}
    first: Resources = {}
    for container in spec.get("initContainers") or ():
        asked = _plus(beside, _requests(container))
        if container.get("restartPolicy") == "Always":
            beside = asked
        first = _larger(first, asked)
    main = beside
    for container in spec.get("containers") or ():
        main = _plus(main, _requests(container))
    asked = {**_larger(main, first), **_requests(spec)}
    return _plus(asked, _parse_all(spec.get("overhead") or {}))


def node_resources(node: Mapping[str, Any]) -> Resources:
    """Return the allocatable resources of a node, the number of pods included."""
    return _parse_all(node.get("status", {}).get("allocatable") or {})


def quota_bound(quota: Mapping[str, Any]) -> Resources:
    """Return the limits of a ResourceQuota on requests; none of one with a scope.

    Source:
        Kubernetes, "Resource Quotas".
    """
    spec = quota.get("spec") or {}
    if spec.get("scopes") or spec.get("scopeSelector"):
        return {}
    bounds: dict[str, Decimal] = {}
    for name, most in _parse_all(spec.get("hard") or {}).items():
        known = "pods" if name == "count/pods" else name.removeprefix(_REQUESTS)
        bounds[known] = min(most, bounds.get(known, most))
    return bounds


def _requests(container: Mapping[str, Any]) -> Resources:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return _parse_all(asked)


def _plus(one: Resources, other: Resources) -> Resources:
    return {
        name: one.get(name, Decimal(0)) + other.get(name, Decimal(0))
        for name in {**one, **other}
    }


def _larger(one: Resources, other: Resources) -> Resources:
    return {
        name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0)))
        for name in {**one, **other}
    }


def _parse_all(quantities: Mapping[str, Any]) -> Resources:
    return {name: parse_amount(value) for name, value in quantities.items()}
