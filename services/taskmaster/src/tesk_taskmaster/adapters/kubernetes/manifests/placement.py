"""Chooses the nodes of an attempt's pods, from the task and the settings.

All pods of an attempt share a volume that may be bound to a zone or a node, so
filers use the nodes of the executors: else the volume could be provisioned where no
executor may run. GPU and runtime class are for executors only.

The api has checked the backend parameters by its own settings; a value that is not
offered here fails the step with a message that names the parameter.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.settings import ANY_TYPE, Gpu, KubernetesSettings, Pool
from tesk_model.devices import GPU, GPU_TYPE, gpu_count
from tesk_taskmaster.domain.plan import Placement
from tesk_taskmaster.ports import StepFailedError

POOL = "pool"
PRIORITY_CLASS = "priority_class"
RUNTIME_CLASS = "runtime_class"
QUEUE = "queue"

ZONE_LABEL = "topology.kubernetes.io/zone"

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
# A pod leaves a dead node after one minute, not after Kubernetes' five.
_LOST_NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOLERATION_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Where pods may run, as fields of a pod.

    Attributes:
        selector: Labels that a node must have.
        requirements: Expressions of a required node affinity, all of which
            must hold.
        tolerations: Of taints.
        priority_class: Or "".
        runtime_class: Of executors only; or "".
        devices: Extended resources of executors only, with their amounts.
        claims: ResourceClaimTemplates, one for each GPU of executors that is claimed.
        queue: That Jobs of executors wait in; or "".
    """

    selector: dict[str, str]
    requirements: tuple[JsonObject, ...]
    tolerations: tuple[JsonObject, ...]
    priority_class: str
    runtime_class: str
    devices: dict[str, str]
    claims: tuple[str, ...] = ()
    queue: str = ""

    @property
    def named_claims(self) -> dict[str, str]:
        """The claims by their names in the pod."""
        return {f"gpu-{at}": template for at, template in enumerate(self.claims)}


def choose_nodes(placement: Placement, settings: KubernetesSettings) -> Nodes:
    """Return where the pods of an attempt may run.

    Raises:
        StepFailedError: A backend parameter has a value that is not offered
            here, a zone is not a valid name, or two requests exclude each other.
    """
    parameters = placement.backend_parameters
    count = _gpu_count(placement, settings)
    claimed = _claim_template(placement, settings.gpu) if count else ""
    pools = list(_pools(placement, settings, gpu=count > 0))
    return Nodes(
        selector=_joined_selectors(pools),
        requirements=_zone_requirements(placement.zones),
        tolerations=tuple(
            toleration for _, pool in pools for toleration in pool.tolerations
        ),
        priority_class=_listed(
            PRIORITY_CLASS, parameters.get(PRIORITY_CLASS), settings.priority_classes
        ),
        runtime_class=_listed(
            RUNTIME_CLASS, parameters.get(RUNTIME_CLASS), settings.runtime_classes
        ),
        devices={settings.gpu.resource: str(count)} if count and not claimed else {},
        claims=(claimed,) * count if claimed else (),
        queue=_queue(placement, settings),
    )


def _queue(placement: Placement, settings: KubernetesSettings) -> str:
    """Return what the task asks for, else that of its owner's group, else the usual.

    Of several groups with a queue, the first counts.
    """
    asked = _listed(QUEUE, placement.backend_parameters.get(QUEUE), settings.queues)
    of_groups = (settings.group_queues.get(group) for group in placement.groups)
    return asked or next(filter(None, of_groups), settings.queue)


def lost_node_tolerations(given: Iterable[JsonObject]) -> list[JsonObject]:
    """Return tolerations of a lost node, unless ``given`` has them."""
    known = {toleration.get("key") for toleration in given}
    return [
        {
            "key": key,
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": _TOLERATION_SECONDS,
        }
        for key in _LOST_NODE_TAINTS
        if key not in known
    ]


def _pools(
    placement: Placement, settings: KubernetesSettings, *, gpu: bool
) -> Iterable[tuple[str, Pool]]:
    """Yield the nodes for each request of the task, with its name."""
    parameters = placement.backend_parameters
    if placement.preemptible:
        yield "preemptible", settings.preemptible
    if name := _listed(POOL, parameters.get(POOL), settings.pools):
        yield f'pool "{name}"', settings.pools[name]
    if gpu:
        kind = _gpu_type(placement, settings.gpu)
        label = settings.gpu.types.get(kind)
        labels = {settings.gpu.type_label: label} if label else {}
        yield (
            f'gpu_type "{kind}"' if kind else GPU,
            Pool(node_selector=labels, tolerations=settings.gpu.tolerations),
        )


def _gpu_type(placement: Placement, gpu: Gpu) -> str:
    offered = {*gpu.types, *gpu.claims} - {ANY_TYPE}
    return _listed(GPU_TYPE, placement.backend_parameters.get(GPU_TYPE), offered)


def _claim_template(placement: Placement, gpu: Gpu) -> str:
    """Return by which template a GPU is claimed; "": by an extended resource."""
    kind = _gpu_type(placement, gpu)
    if kind in gpu.claims:
        return gpu.claims[kind]
    return "" if kind in gpu.types else gpu.claims.get(ANY_TYPE, "")


def _gpu_count(placement: Placement, settings: KubernetesSettings) -> int:
    """Return the number of GPUs, if so many are offered."""
    parameters, most = placement.backend_parameters, settings.gpu.most
    with suppress(ValueError):
        count = gpu_count(parameters)
        if count <= most:
            return count
    offered = f"1 to {most}" if most else "none"
    raise _refused(GPU, parameters.get(GPU, "1"), offered)


def _listed(key: str, value: str | None, offered: Collection[str]) -> str:
    if not value:
        return ""
    if value not in offered:
        raise _refused(key, value, ", ".join(sorted(offered)) or "none")
    return value


def _refused(key: str, value: str, offered: str) -> StepFailedError:
    return StepFailedError(
        f'resources.backend_parameters.{key}: "{value[:64]}" is not offered here '
        f"({offered})"
    )


def _joined_selectors(pools: Sequence[tuple[str, Pool]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    asked: dict[str, str] = {}
    for request, pool in pools:
        for label, value in pool.node_selector.items():
            if joined.setdefault(label, value) != value:
                raise StepFailedError(
                    f"no node suits both {asked[label]} and {request}: they want "
                    f"different values of the node label {label}"
                )
            asked.setdefault(label, request)
    return joined


def _zone_requirements(zones: Sequence[str]) -> tuple[JsonObject, ...]:
    if not zones:
        return ()
    for zone in zones:
        if _LABEL_VALUE.fullmatch(zone) is None:
            raise StepFailedError(
                f'resources.zones: "{zone[:64]}" is not a valid zone name'
            )
    return ({"key": ZONE_LABEL, "operator": "In", "values": list(zones)},)
