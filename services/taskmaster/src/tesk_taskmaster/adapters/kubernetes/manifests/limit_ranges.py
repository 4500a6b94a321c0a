"""Fits the resources of a container into the LimitRanges of its namespace.

Pure. A LimitRange refuses pods long after their Job was created, so it is applied
before: requests and limits are adjusted, and a request that is too large fails at
once.

Source:
    Kubernetes, "Limit Ranges"; admission plugin LimitRanger.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.quantities import parse_amount
from tesk_model.quantities import format_bytes, format_number
from tesk_taskmaster.adapters.kubernetes.manifests.pod import cpu_quantity

RESOURCES = ("cpu", "memory", "ephemeral-storage")
"""The names of those that LimitRanges bound."""

Amounts = Mapping[str, Decimal]
"""By the name of the resource: cores, or bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLimits:
    """The limits of one LimitRange.

    Attributes:
        name: Of the object.
        minimum: Of requests.
        maximum: Of requests and limits; a limit must be set.
        default: Limit of a container that has none.
        ratio: Maximum of limit divided by request.
        of_pod: It counts all containers of a pod together.
    """

    name: str
    minimum: Amounts
    maximum: Amounts
    default: Amounts
    ratio: Amounts
    of_pod: bool


def container_limits(limit_range: JsonObject) -> list[ContainerLimits]:
    """Parse the limits of containers and pods in a LimitRange."""
    return [
        ContainerLimits(
            name=limit_range["metadata"]["name"],
            minimum=_amounts(item, "min"),
            maximum=_amounts(item, "max"),
            default=_amounts(item, "default"),
            ratio=_amounts(item, "maxLimitRequestRatio"),
            of_pod=item.get("type") == "Pod",
        )
        for item in (limit_range.get("spec") or {}).get("limits") or ()
        if item.get("type") in ("Container", "Pod")
    ]


def fit_resources(
    resources: JsonObject, limits: Sequence[ContainerLimits]
) -> JsonObject | str:
    """Return ``resources`` within ``limits``, or why that is impossible."""
    requests = dict(resources.get("requests") or {})
    bounds = dict(resources.get("limits") or {})
    for each in limits:
        for name in RESOURCES:
            asked = requests.get(name, bounds.get(name))
            if asked is None or not _applies(each, name):
                continue
            request = max(parse_amount(asked), each.minimum.get(name, Decimal(0)))
            most = each.maximum.get(name)
            if most is not None and request > most:
                return _too_much(each, name, request, most)
            given = parse_amount(bounds[name]) if name in bounds else None
            limit = _limit(each, name, request, given)
            if request != parse_amount(asked):
                requests[name] = quantity(name, request)
            if limit is not None and limit != given:
                bounds[name] = quantity(name, limit)
    return {**resources, "requests": requests, "limits": bounds}


def with_defaults(
    resources: JsonObject, limits: Sequence[ContainerLimits]
) -> JsonObject:
    """Return the resources of a container with the limits that its cluster adds."""
    bounds: dict[str, str] = {}
    for each in limits:
        for name, amount in each.default.items():
            bounds.setdefault(name, quantity(name, amount))
    return {**resources, "limits": {**bounds, **(resources.get("limits") or {})}}


def sum_problem(
    containers: Sequence[JsonObject],
    limits: Sequence[ContainerLimits],
    names: Collection[str],
) -> str:
    """Return why a namespace refuses containers that start together; "": it does not.

    Args:
        containers: The resources of each, with the limits that the cluster adds.
        limits: Of pods.
        names: The resources that count.

    Source:
        Kubernetes, admission plugin LimitRanger, ``maxConstraint``: the sum of the
        limits that there are, of which there must be one.
    """
    for each in limits:
        for name, most in each.maximum.items():
            if name not in names:
                continue
            asked = [_asked(container, name) for container in containers]
            bounds = [(it.get("limits") or {}).get(name) for it in containers]
            given = [parse_amount(bound) for bound in bounds if bound is not None]
            largest = max(sum(asked), sum(given))
            if largest > most:
                return _too_much(each, name, Decimal(largest), most)
            if not given:
                return (
                    f"the LimitRange {each.name} of the cluster wants a limit of {name}, "
                    "and no step has one"
                )
    return ""


def _asked(resources: JsonObject, name: str) -> Decimal:
    """Return a request, for which Kubernetes takes the limit if there is none."""
    limit = (resources.get("limits") or {}).get(name, 0)
    return parse_amount((resources.get("requests") or {}).get(name, limit))


def _limit(
    limits: ContainerLimits, name: str, request: Decimal, given: Decimal | None
) -> Decimal | None:
    """Return an allowed limit; None if none is required."""
    most, ratio = limits.maximum.get(name), limits.ratio.get(name)
    highest = [] if most is None else [most]
    highest += [] if ratio is None else [request * ratio]
    wanted = limits.default.get(name) if given is None else given
    if wanted is None and not highest:
        return None
    return min([max(wanted, request), *highest] if wanted is not None else highest)


def _applies(limits: ContainerLimits, name: str) -> bool:
    kinds = (limits.minimum, limits.maximum, limits.default, limits.ratio)
    return any(name in kind for kind in kinds)


def _amounts(item: Mapping[str, Any], kind: str) -> Amounts:
    return {name: parse_amount(text) for name, text in (item.get(kind) or {}).items()}


def _too_much(
    limits: ContainerLimits, name: str, request: Decimal, most: Decimal
) -> str:
    whose = "pod" if limits.of_pod else "container"
    return (
        f"{_format_amount(name, request)} {name} needed, and the LimitRange "
        f"{limits.name} of the cluster lets a {whose} have {_format_amount(name, most)}"
    )


def _format_amount(name: str, amount: Decimal) -> str:
    return format_number(float(amount)) if name == "cpu" else format_bytes(int(amount))


def least_request(
    name: str, limit: str | None, limits: Sequence[ContainerLimits]
) -> Decimal:
    """Return the smallest request of a container that its limit lets it have."""
    least = [each.minimum.get(name, Decimal(0)) for each in limits]
    if limit is not None:
        least += [
            parse_amount(limit) / each.ratio[name]
            for each in limits
            if each.ratio.get(name)
        ]
    return max(least, default=Decimal(0))


def quantity(name: str, amount: Decimal) -> str:
    """Format an amount of a resource as Kubernetes reads it; rounded up."""
    if not amount:
        return "0"
    return cpu_quantity(float(amount)) if name == "cpu" else str(math.ceil(amount))
