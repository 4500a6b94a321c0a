"""What LimitRanges of a namespace let a container have, and how it fits into that.

Pure. A LimitRange refuses pods long after their Job was made, so what
it says is followed before: what can be raised or limited is, and what asks for
too much is told at once.

Source:
    Kubernetes, "Limit Ranges"; admission plugin LimitRanger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.requests import parse_amount
from tesk_model.quantities import format_bytes, format_number
from tesk_taskmaster.adapters.kubernetes.manifests.pod import cpu_quantity

_NAMES = ("cpu", "memory", "ephemeral-storage")

Amounts = Mapping[str, Decimal]
"""By the name of the resource: cores, or bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLimits:
    """What one LimitRange says.

    Attributes:
        name: Of the object.
        least: Of what is asked for;
        most: of it, and of its limit, which must be there.
        default: Limit of a container that has none.
        ratio: The most that a limit may be of what is asked for.
        of_pod: It counts all containers of a pod together.
    """

    name: str
    least: Amounts
    most: Amounts
    default: Amounts
    ratio: Amounts
    of_pod: bool


def container_limits(limit_range: JsonObject) -> list[ContainerLimits]:
    """Read what a LimitRange says of containers and pods."""
    return [
        ContainerLimits(
            name=limit_range["metadata"]["name"],
            least=_amounts(item, "min"),
            most=_amounts(item, "max"),
            default=_amounts(item, "default"),
            ratio=_amounts(item, "maxLimitRequestRatio"),
            of_pod=item.get("type") == "Pod",
        )
        for item in (limit_range.get("spec") or {}).get("limits") or ()
        if item.get("type") in ("Container", "Pod")
    ]


def fitted_resources(
    resources: JsonObject, limits: Sequence[ContainerLimits]
) -> JsonObject | str:
    """Return ``resources`` as ``limits`` let them be, or why they cannot be had."""
    requests = dict(resources.get("requests") or {})
    bounds = dict(resources.get("limits") or {})
    for each in limits:
        for name in _NAMES:
            asked = requests.get(name, bounds.get(name))
            if asked is None or not _concerns(each, name):
                continue
            request = max(parse_amount(asked), each.least.get(name, Decimal(0)))
            most = each.most.get(name)
            if most is not None and request > most:
                return _too_much(each, name, request, most)
            given = parse_amount(bounds[name]) if name in bounds else None
            limit = _limit(each, name, request, given)
            if request != parse_amount(asked):
                requests[name] = _quantity(name, request)
            if limit is not None and limit != given:
                bounds[name] = _quantity(name, limit)
    return {**resources, "requests": requests, "limits": bounds}


def _limit(
    limits: ContainerLimits, name: str, request: Decimal, given: Decimal | None
) -> Decimal | None:
    """Return a limit that is allowed; None if there need be none."""
    most, ratio = limits.most.get(name), limits.ratio.get(name)
    highest = [] if most is None else [most]
    highest += [] if ratio is None else [request * ratio]
    wanted = limits.default.get(name) if given is None else given
    if wanted is None and not highest:
        return None
    return min([max(wanted, request), *highest] if wanted is not None else highest)


def _concerns(limits: ContainerLimits, name: str) -> bool:
    kinds = (limits.least, limits.most, limits.default, limits.ratio)
    return any(name in kind for kind in kinds)


def _amounts(item: Mapping[str, Any], kind: str) -> Amounts:
    return {name: parse_amount(text) for name, text in (item.get(kind) or {}).items()}


def _too_much(
    limits: ContainerLimits, name: str, request: Decimal, most: Decimal
) -> str:
    whose = "pod" if limits.of_pod else "container"
    return (
        f"{_words(name, request)} {name} needed, and the LimitRange "
        f"{limits.name} of the cluster lets a {whose} have {_words(name, most)}"
    )


def _words(name: str, amount: Decimal) -> str:
    return format_number(float(amount)) if name == "cpu" else format_bytes(int(amount))


def _quantity(name: str, amount: Decimal) -> str:
    return cpu_quantity(float(amount)) if name == "cpu" else str(int(amount))
