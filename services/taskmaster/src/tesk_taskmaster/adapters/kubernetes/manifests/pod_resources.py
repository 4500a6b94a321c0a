"""Divides what the steps of one pod ask for among its containers and the pod.

One step runs at a time, so the pod asks for the largest, not for the sum (but of the
node's disk: what a container wrote there stays until its pod ends):

| order | pods have resources | requests |
|---|---|---|
| sequence | | each container its own: Kubernetes takes the largest of init containers |
| together | yes | the pod the largest, its containers as little as they may |
| together | no | each container its own: one executor, beside the small filers |

The volume is added where it is taken from the node: of its disk, to the first executor,
since pods have no such resource; of its memory, to each step, which it is charged to.

Source:
    Kubernetes, "Assign Pod-level CPU and memory resources"; "Local ephemeral storage":
    the limit of a pod, the sum of its containers' limits, counts its volumes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.quantities import parse_amount
from tesk_kubernetes.requests import pod_requests
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.manifests.limit_ranges import (
    RESOURCES,
    ContainerLimits,
    fit_resources,
    least_request,
    quantity,
    sum_problem,
    with_defaults,
)
from tesk_taskmaster.adapters.kubernetes.manifests.objects import RenderContext
from tesk_taskmaster.domain.layouts import Order, PodVolume
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import FILER, POD, direction_of, title_of
from tesk_taskmaster.ports import StepFailedError

_DISK = "ephemeral-storage"
_MEMORY = "memory"
_OF_PODS = ("cpu", _MEMORY)
_KINDS = ("requests", "limits")
# What a launcher that waits for its turn may hold beside the step that runs,
_WAITING = 16 * 1024**2
# and a filer that has its inputs and waits for the turn of its outputs.
_WAITING_FILER = 48 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class PodResources:
    """Resources of the containers of a pod, by step, and of the pod as a whole.

    Attributes:
        whole: None: it has none of its own.
    """

    steps: Mapping[str, JsonObject]
    whole: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Division:
    """What decides about the division.

    Attributes:
        beside: Spec of a pod with the containers that are no steps.
        pooled: The pod has resources as a whole.
    """

    order: Order
    volume: PodVolume
    limits: Sequence[ContainerLimits]
    beside: JsonObject
    pooled: bool

    @property
    def limits_of_pod(self) -> Sequence[ContainerLimits]:
        """The limits of whole pods, if the steps are all that the pod has."""
        if self.beside["containers"] or self.beside.get("initContainers"):
            return []
        return [each for each in self.limits if each.of_pod]

    @property
    def limits_of_containers(self) -> Sequence[ContainerLimits]:
        """The limits of each container."""
        return [each for each in self.limits if not each.of_pod]


def divide_resources(
    plan: Plan,
    wanted: Mapping[str, JsonObject],
    beside: JsonObject,
    *,
    order: Order,
    volume: PodVolume,
    context: RenderContext,
) -> PodResources:
    """Return the resources of a pod.

    Args:
        plan: Of the attempt.
        wanted: Resources of each container of steps, as in a pod of its own; in order.
        beside: Spec of a pod with the containers of the templates that are no steps.
        order: Of the steps.
        volume: What it is.
        context: With the limits of the namespace.

    Raises:
        StepFailedError: The namespace does not allow that much.
    """
    can_pool = order is Order.TOGETHER and context.settings.pod_resources
    division = _Division(
        order=order,
        volume=volume,
        limits=context.limits,
        beside=beside,
        pooled=can_pool and len(wanted) > 1,
    )
    if plan.has_volume and volume is PodVolume.DISK:
        wanted = _with_disk(wanted, plan.disk)
    if plan.has_volume and volume is PodVolume.MEMORY:
        wanted = _with_memory(wanted, plan.disk, division)
    limits = list(division.limits_of_containers)
    adds_up = order is Order.TOGETHER and len(wanted) > 1
    if not adds_up:
        limits += division.limits_of_pod
    fitted = {
        step: _fitted(step, resources, limits) for step, resources in wanted.items()
    }
    if adds_up:
        _check_sums(list(fitted.values()), division)
    return _pooled(fitted, division) if division.pooled else PodResources(steps=fitted)


def _with_disk(wanted: Mapping[str, JsonObject], disk: int) -> dict[str, JsonObject]:
    """Return resources, of which the first executor's has the volume."""
    first = next(step for step in wanted if not direction_of(step))
    found = {**wanted, first: _more(wanted[first], _DISK, disk, is_asked=True)}
    if _DISK in (wanted[first].get("limits") or {}):
        return found
    # A limit of filers alone would be that of the pod, and so of its volume.
    return {step: _without_limit(each, _DISK) for step, each in found.items()}


def _with_memory(
    wanted: Mapping[str, JsonObject], disk: int, division: _Division
) -> dict[str, JsonObject]:
    adds_up = division.order is Order.TOGETHER and not division.pooled
    return {
        step: _more(
            resources,
            _MEMORY,
            disk,
            is_asked=not (adds_up and direction_of(step)),
        )
        for step, resources in wanted.items()
    }


def _more(
    resources: JsonObject, name: str, added: int, *, is_asked: bool
) -> JsonObject:
    """Return resources with more of one; a limit that there is not is not made."""
    requests, limits = (dict(resources.get(kind) or {}) for kind in _KINDS)
    asked = requests.get(name, limits.get(name, 0))
    if is_asked:
        requests[name] = _sum(asked, added)
    elif name in limits:
        requests[name] = asked
    if name in limits:
        limits[name] = _sum(limits[name], added)
    return {**resources, "requests": requests, "limits": limits}


def _without_limit(resources: JsonObject, name: str) -> JsonObject:
    limits = resources.get("limits") or {}
    if name not in limits:
        return resources
    requests = {name: limits[name], **(resources.get("requests") or {})}
    kept = {key: amount for key, amount in limits.items() if key != name}
    return {**resources, "requests": requests, "limits": kept}


def _fitted(
    step: str, resources: JsonObject, limits: Sequence[ContainerLimits]
) -> JsonObject:
    fitted = fit_resources(resources, limits)
    if isinstance(fitted, str):
        raise StepFailedError(
            f"{title_of(step)}: {fitted}", code=ReasonCode.POD_REFUSED
        )
    return {kind: amounts for kind, amounts in fitted.items() if amounts}


def _check_sums(steps: Sequence[JsonObject], division: _Division) -> None:
    """Check what the containers have together, but for what their pod has itself."""
    names = (_DISK,) if division.pooled else RESOURCES
    completed = [with_defaults(each, division.limits_of_containers) for each in steps]
    if problem := sum_problem(completed, division.limits_of_pod, names):
        raise StepFailedError(
            f"{title_of(POD)}: {problem}", code=ReasonCode.POD_REFUSED
        )


def _pooled(steps: Mapping[str, JsonObject], division: _Division) -> PodResources:
    """Move requests from the containers to the pod."""
    lessened = {
        step: _lessened(resources, division.limits_of_containers)
        for step, resources in steps.items()
    }
    spec = division.beside
    others = spec["containers"]
    pods = [[{"resources": each}, *others] for each in steps.values()]
    # Kubernetes wants no less than what the containers ask for.
    pods.append([*({"resources": each} for each in lessened.values()), *others])
    needed = [pod_requests({"spec": {**spec, "containers": each}}) for each in pods]
    requests = {
        name: quantity(name, max(each.get(name, Decimal(0)) for each in needed))
        for name in _OF_PODS
    }
    # What all containers must request may be more than the limit of the largest.
    limits = {
        name: max(limit, requests[name], key=parse_amount)
        for name in _OF_PODS
        if (limit := _limit_of_pod(name, steps, division))
    }
    asked = {"requests": requests, "limits": limits}
    whole = _fitted(POD, asked, division.limits_of_pod)
    return PodResources(
        steps={step: _bounded(each, whole) for step, each in lessened.items()},
        whole=whole,
    )


def _bounded(resources: JsonObject, whole: JsonObject) -> JsonObject:
    """Return resources whose limits are not above those of the pod."""
    limits = dict(resources.get("limits") or {})
    for name, most in (whole.get("limits") or {}).items():
        if name in limits and parse_amount(limits[name]) > parse_amount(most):
            limits[name] = most
    return {**resources, **({"limits": limits} if limits else {})}


def _lessened(resources: JsonObject, limits: Sequence[ContainerLimits]) -> JsonObject:
    """Return resources with the smallest requests that the namespace allows.

    Named, even if they are nothing: else Kubernetes takes the limits for them.
    """
    bounds = resources.get("limits") or {}
    least = {
        name: quantity(name, least_request(name, bounds.get(name), limits))
        for name in _OF_PODS
    }
    return {**resources, "requests": {**(resources.get("requests") or {}), **least}}


def _limit_of_pod(
    name: str, steps: Mapping[str, JsonObject], division: _Division
) -> str:
    """Return the limit of the largest step and all beside it; "": one has none."""
    spec = division.beside
    beside = [
        container.get("resources") or {}
        for container in (
            *spec["containers"],
            *(
                each
                for each in spec.get("initContainers") or ()
                if each.get("restartPolicy") == "Always"
            ),
        )
    ]
    every = [each.get("limits") or {} for each in (*steps.values(), *beside)]
    if not all(name in limits for limits in every):
        return ""
    amounts = [parse_amount(limits[name]) for limits in every]
    total = max(amounts[: len(steps)]) + sum(amounts[len(steps) :])
    if name != _MEMORY:
        return quantity(name, total)
    waiting = _WAITING * (len(steps) - 1) + _WAITING_FILER * (FILER in steps)
    return quantity(name, total + waiting)


def _sum(amount: object, added: int) -> str:
    return str(int(parse_amount(str(amount))) + added)
