"""Which nodes an attempt's pods may use, from what the task and the settings say.

All pods of an attempt share a volume that may be bound to a zone or a node, so
filers get the nodes of the executors: else the first filer could have the
volume made where no executor may run. What only an executor needs (a GPU, a
runtime class) they do not get.

The api has checked the backend parameters already, by settings of its own; what
does not fit here fails the step with a sentence that names the parameter.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.settings import KubernetesSettings, Pool
from tesk_taskmaster.domain.plan import Placement
from tesk_taskmaster.ports import StepFailedError

POOL = "pool"
GPU = "gpu"
GPU_TYPE = "gpu_type"
PRIORITY_CLASS = "priority_class"
RUNTIME_CLASS = "runtime_class"

ZONE_LABEL = "topology.kubernetes.io/zone"

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")
# A pod leaves a dead node after one minute, not after Kubernetes' five.
_NODE_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Where pods may run, in the parts that Kubernetes has for it.

    Attributes:
        selector: Labels that a node must have.
        requirements: Expressions of a required node affinity, all of which
            must hold.
        tolerations: Of taints.
        priority_class: Or "".
        runtime_class: Of executors only; or "".
        devices: Extended resources of executors only, with their amounts.
    """

    selector: dict[str, str]
    requirements: tuple[JsonObject, ...]
    tolerations: tuple[JsonObject, ...]
    priority_class: str
    runtime_class: str
    devices: dict[str, str]


def choose_nodes(placement: Placement, settings: KubernetesSettings) -> Nodes:
    """Return where the pods of an attempt may run.

    Raises:
        StepFailedError: A backend parameter has a value that is not offered
            here, there can be no zone of a name, or two wishes exclude each
            other.
    """
    wishes = placement.backend_parameters
    count = _gpu_count(placement, settings)
    pools = list(_pools(placement, settings, gpu=count > 0))
    return Nodes(
        selector=_joined_selectors(pools),
        requirements=_zone_requirements(placement.zones),
        tolerations=tuple(
            toleration for _, pool in pools for toleration in pool.tolerations
        ),
        priority_class=_listed(
            PRIORITY_CLASS, wishes.get(PRIORITY_CLASS), settings.priority_classes
        ),
        runtime_class=_listed(
            RUNTIME_CLASS, wishes.get(RUNTIME_CLASS), settings.runtime_classes
        ),
        devices={settings.gpu.resource: str(count)} if count else {},
    )


def node_trouble_tolerations(given: Iterable[JsonObject]) -> list[JsonObject]:
    """Return tolerations of a node that is lost, unless ``given`` has them."""
    known = {toleration.get("key") for toleration in given}
    return [
        {
            "key": key,
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": _PATIENCE_SECONDS,
        }
        for key in _NODE_TROUBLES
        if key not in known
    ]


def _pools(
    placement: Placement, settings: KubernetesSettings, *, gpu: bool
) -> Iterable[tuple[str, Pool]]:
    """Yield what each wish means for nodes, with the words of the wish."""
    wishes = placement.backend_parameters
    if placement.preemptible:
        yield "preemptible", settings.preemptible
    if name := _listed(POOL, wishes.get(POOL), settings.pools):
        yield f'pool "{name}"', settings.pools[name]
    if gpu:
        kind = _listed(GPU_TYPE, wishes.get(GPU_TYPE), settings.gpu.types)
        labels = {settings.gpu.type_label: settings.gpu.types[kind]} if kind else {}
        yield (
            f'gpu_type "{kind}"' if kind else GPU,
            Pool(node_selector=labels, tolerations=settings.gpu.tolerations),
        )


def _gpu_count(placement: Placement, settings: KubernetesSettings) -> int:
    """Return the number of GPUs; a type alone means one."""
    wishes = placement.backend_parameters
    text = wishes.get(GPU, "1" if GPU_TYPE in wishes else "")
    if not text:
        return 0
    most = settings.gpu.most
    if _COUNT.fullmatch(text) is None or int(text) > most:
        offered = f"1 to {most}" if most else "none"
        raise _refused(GPU, text, offered)
    return int(text)


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
    for wish, pool in pools:
        for label, value in pool.node_selector.items():
            if joined.setdefault(label, value) != value:
                raise StepFailedError(
                    f"no node suits both {asked[label]} and {wish}: they want "
                    f"different values of the node label {label}"
                )
            asked.setdefault(label, wish)
    return joined


def _zone_requirements(zones: Sequence[str]) -> tuple[JsonObject, ...]:
    if not zones:
        return ()
    for zone in zones:
        if _LABEL_VALUE.fullmatch(zone) is None:
            raise StepFailedError(f'resources.zones: no zone is called "{zone[:64]}"')
    return ({"key": ZONE_LABEL, "operator": "In", "values": list(zones)},)
