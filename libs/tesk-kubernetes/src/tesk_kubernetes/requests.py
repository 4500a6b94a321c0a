"""What pods ask for and nodes have, by the names that Kubernetes gives resources."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Resources = Mapping[str, Decimal]
"""``cpu`` in cores, ``memory`` in bytes, all else as a number."""

_REQUESTS = "requests."


def pod_requests(pod: Mapping[str, Any]) -> Resources:
    """Return what the scheduler of Kubernetes keeps free for a pod or a template.

    Its containers and those that run beside them, or its largest initial
    container, whichever is more. What only limits name is requested, too.

    Source:
        Kubernetes, "Resource sharing within containers" (init containers).
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
    return _plus(_larger(main, first), _all_parsed(spec.get("overhead") or {}))


def node_resources(node: Mapping[str, Any]) -> Resources:
    """Return what a node has for pods, ``pods`` among it."""
    return _all_parsed(node.get("status", {}).get("allocatable") or {})


def quota_bound(quota: Mapping[str, Any]) -> Resources:
    """Return what a ResourceQuota says of requests; one with a scope says nothing.

    Source:
        Kubernetes, "Resource Quotas".
    """
    spec = quota.get("spec") or {}
    if spec.get("scopes") or spec.get("scopeSelector"):
        return {}
    bounds: dict[str, Decimal] = {}
    for name, most in _all_parsed(spec.get("hard") or {}).items():
        known = "pods" if name == "count/pods" else name.removeprefix(_REQUESTS)
        bounds[known] = min(most, bounds.get(known, most))
    return bounds


def _requests(container: Mapping[str, Any]) -> Resources:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return _all_parsed(asked)


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


def _all_parsed(quantities: Mapping[str, Any]) -> Resources:
    return {name: parsed(value) for name, value in quantities.items()}


def parsed(quantity: str | float) -> Decimal:
    """Read a quantity; what Kubernetes would refuse counts as nothing."""
    try:
        return Decimal(parse_quantity(quantity))
    except ValueError:
        return Decimal(0)
