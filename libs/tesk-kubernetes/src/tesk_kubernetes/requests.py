"""What pods ask for and nodes have, as whole numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

_MILLIS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Thousandths of a core, and bytes."""

    cpu_millis: int = 0
    ram: int = 0

    def plus(self, other: "Amounts") -> "Amounts":
        """Add up."""
        return Amounts(
            cpu_millis=self.cpu_millis + other.cpu_millis, ram=self.ram + other.ram
        )


def pod_requests(pod: Mapping[str, Any]) -> Amounts:
    """Return what the scheduler of Kubernetes keeps free for a pod or a template.

    Its containers and those that run beside them, or its largest initial
    container, whichever is more. What only limits name is requested, too.

    Source:
        Kubernetes, "Resource sharing within containers" (init containers).
    """
    spec = pod["spec"]
    beside, first = Amounts(), Amounts()
    for container in spec.get("initContainers") or ():
        asked = _requests(container)
        if container.get("restartPolicy") == "Always":
            beside = beside.plus(asked)
            asked = Amounts()
        first = _larger(first, beside.plus(asked))
    main = beside
    for container in spec.get("containers") or ():
        main = main.plus(_requests(container))
    overhead = _amounts(spec.get("overhead") or {}, ROUND_CEILING)
    return _larger(main, first).plus(overhead)


def node_amounts(node: Mapping[str, Any]) -> tuple[Amounts, int]:
    """Return what a node has for pods, and how many of them it takes."""
    allocatable = node.get("status", {}).get("allocatable") or {}
    pods = int(parsed(allocatable.get("pods", 0)))
    return _amounts(allocatable, ROUND_FLOOR), pods


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The most that pods of a namespace may ask for; None: no bound."""

    cpu_millis: int | None = None
    ram: int | None = None
    pods: int | None = None


def quota_bound(quota: Mapping[str, Any]) -> Bound:
    """Return what a ResourceQuota says of requests; one with a scope says nothing.

    Source:
        Kubernetes, "Resource Quotas".
    """
    spec = quota.get("spec") or {}
    hard = spec.get("hard") or {}
    if spec.get("scopes") or spec.get("scopeSelector"):
        return Bound()

    def least(*names: str) -> Decimal | None:
        return min((parsed(hard[name]) for name in names if name in hard), default=None)

    cpu = least("cpu", "requests.cpu")
    ram, pods = least("memory", "requests.memory"), least("pods", "count/pods")
    return Bound(
        cpu_millis=None if cpu is None else int(cpu * _MILLIS),
        ram=None if ram is None else int(ram),
        pods=None if pods is None else int(pods),
    )


def _requests(container: Mapping[str, Any]) -> Amounts:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return _amounts(asked, ROUND_CEILING)


def _amounts(resources: Mapping[str, Any], rounding: str) -> Amounts:
    cpu = parsed(resources.get("cpu", 0)) * _MILLIS
    ram = parsed(resources.get("memory", 0))
    return Amounts(
        cpu_millis=int(cpu.to_integral_value(rounding)),
        ram=int(ram.to_integral_value(rounding)),
    )


def _larger(one: Amounts, other: Amounts) -> Amounts:
    return Amounts(
        cpu_millis=max(one.cpu_millis, other.cpu_millis), ram=max(one.ram, other.ram)
    )


def parsed(quantity: str | float) -> Decimal:
    """Read a quantity; what Kubernetes would refuse counts as nothing."""
    try:
        return Decimal(parse_quantity(quantity))
    except ValueError:
        return Decimal(0)
