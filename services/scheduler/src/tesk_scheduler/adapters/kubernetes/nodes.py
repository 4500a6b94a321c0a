"""Watches what the nodes of a cluster have for TESK's pods.

Of each node that tasks may run on: its allocatable resources, less a reserve for
pods that are not visible, less the pods in the task namespaces that TESK did not
create at run time, such as the services themselves.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR
from functools import partial, reduce
from pathlib import Path
from typing import Any, NamedTuple

from tesk_kubernetes.api import (
    NODES,
    PODS,
    RESOURCE_QUOTAS,
    JsonObject,
    KubernetesApi,
)
from tesk_kubernetes.informer import Informer
from tesk_kubernetes.labels import INSTANCE, TASKMASTER
from tesk_kubernetes.pods import is_finished, node_of
from tesk_kubernetes.requests import (
    Resources,
    node_resources,
    pod_requests,
    quota_bound,
)
from tesk_kubernetes.settings import Gpu, KubernetesSettings
from tesk_kubernetes.templates import TemplateError, load_pod_template
from tesk_scheduler.adapters.kubernetes.node_matching import (
    executor_pod_classes,
    is_usable,
)
from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.dimensions import DIMENSIONS, GPU, RUNNING, Dimension
from tesk_scheduler.domain.quota import NOTHING, Amounts, Demand, Limit
from tesk_scheduler.ports.cluster import Nodes

_NO_WAIT = timedelta(0)
_EMPTY: JsonObject = {"spec": {}}

ResourceNames = Mapping[Dimension, str]
"""Names of resources in Kubernetes, by dimension."""


class NodeRoom(NamedTuple):
    """What a node has, and which types of GPU its label stands for."""

    amounts: Limit
    gpu_types: tuple[str, ...] = ()


class PodLoad(NamedTuple):
    """The node of another's pod and what it takes there; nothing if it has ended."""

    node: str
    amounts: Amounts


class ClusterNodes:
    """See ``Cluster``."""

    def __init__(
        self,
        api: KubernetesApi,
        settings: KubernetesSettings,
        namespaces: Sequence[str],
        *,
        changed: Callable[[], None],
    ) -> None:
        """Start to watch.

        Args:
            api: Of the cluster.
            settings: Have the pod templates, the pools and the types of GPUs.
            namespaces: All task namespaces.
            changed: Called, on another thread, when the capacity changes.
        """
        self._folder = Path(settings.templates)
        self._gpu = settings.gpu
        self._names = resource_names(settings.gpu)
        self._classes = executor_pod_classes(self._template("executor"), settings)
        self._own = OwnPods(
            taskmaster=self._demand_of("taskmaster"),
            filer=self._demand_of("filer"),
        )
        watch = partial(Informer, api, on_change=lambda _name, _kept: changed())
        self._nodes = watch(NODES, "", "", prune=self._capacity_of)
        load_of = partial(load_of_pod, names=self._names)
        self._loads = [
            watch(PODS, namespace, f"!{TASKMASTER}", prune=load_of)
            for namespace in namespaces
        ]
        self._quotas = [
            watch(RESOURCE_QUOTAS, namespace, "", prune=quota_bound)
            for namespace in namespaces
        ]
        # Elsewhere pods come and go all the time: the next round sees them.
        self._loads_of_nodes = self._loads
        if settings.all_pods:
            quiet = partial(Informer, api, on_change=lambda _name, _kept: None)
            load_of_others = partial(
                load_of_other_pod,
                names=self._names,
                own=(settings.instance, frozenset(namespaces)),
            )
            self._loads_of_nodes = [quiet(PODS, "", "", prune=load_of_others)]
        self._all: tuple[Informer[Any], ...] = tuple(
            dict.fromkeys((self._nodes, *self._loads, *self._loads_of_nodes))
        )
        for informer in (*self._all, *self._quotas):
            informer.start()

    def close(self) -> None:
        """Stop watching."""
        for informer in (*self._all, *self._quotas):
            informer.close()

    def wait_known(self, timeout: timedelta) -> bool:
        """Wait until nodes and pods are listed; return False if they are not."""
        return all(each.wait_synced(timeout) for each in self._all)

    def nodes(self, reserve: Amounts, /) -> Nodes | None:
        """Return what the nodes have left."""
        if not self.wait_known(_NO_WAIT):
            return None
        known = self._nodes.snapshot()
        left = {
            name: room.amounts.plus(reserve, times=-1) for name, room in known.items()
        }
        left = {name: amounts for name, amounts in left.items() if amounts[RUNNING] > 0}
        for each in self._loads_of_nodes:
            for load in each.snapshot().values():
                if load.node in left:
                    left[load.node] = left[load.node].plus(load.amounts, times=-1)
        if GPU not in self._names:
            return Nodes(list(left.values()))
        by_type: dict[str, list[Limit]] = {name: [] for name in self._gpu.types}
        for name, amounts in left.items():
            for gpu_type in known[name].gpu_types:
                by_type[gpu_type].append(amounts)
        return Nodes(list(left.values()), by_type)

    def bound(self) -> Limit:
        """Add up the ResourceQuotas, less what other pods take of them.

        Quotas that are not known, or must not be read, are no bound.
        """
        pairs = zip(self._quotas, self._loads, strict=True)
        return reduce(
            Limit.plus,
            (
                remaining_quota(
                    quotas.snapshot().values(), loads.snapshot().values(), self._names
                )
                for quotas, loads in pairs
            ),
        )

    def problem(self) -> str:
        """Return the error of the API server."""
        found = (each.problem() for each in self._all)
        return next(
            (message for message in found if message), "nodes are not listed yet"
        )

    def own_pods(self) -> OwnPods:
        """Return the requests of the pod templates at the start.

        An upgrade that changes them restarts the scheduler.
        """
        return self._own

    def _capacity_of(self, node: JsonObject) -> NodeRoom:
        """Return the capacity of a node; nothing if no task may run there."""
        if not is_usable(node) or not any(
            sort.may_run_on(node) for sort in self._classes
        ):
            return NodeRoom(Limit(running=0))
        # A node that does not name a resource has none of it.
        nothing = dict.fromkeys((each.column for each in self._names), 0)
        has = nothing | _amounts(node_resources(node), ROUND_FLOOR, self._names)
        label = (node["metadata"].get("labels") or {}).get(self._gpu.type_label)
        types = (name for name, value in self._gpu.types.items() if value == label)
        return NodeRoom(Limit(**has), tuple(types))

    def _demand_of(self, name: str) -> Demand:
        return _demand(pod_requests(self._template(name)), self._names)

    def _template(self, name: str) -> JsonObject:
        template = _EMPTY
        with suppress(TemplateError):
            template = load_pod_template(self._folder / f"{name}-pod.yaml")
        return template


def resource_names(gpu: Gpu) -> ResourceNames:
    """Return the resource of each dimension that nodes tell.

    GPUs that are claimed are no resource: nodes do not tell how many they have.
    """
    names = {each: each.resource for each in DIMENSIONS if each.resource}
    if gpu.claims:
        return {each: name for each, name in names.items() if each is not GPU}
    return names | {GPU: gpu.resource}


def load_of_pod(pod: JsonObject, names: ResourceNames) -> PodLoad:
    """Return the node of a pod and what it takes there."""
    if is_finished(pod):
        return PodLoad(node="", amounts=NOTHING)
    return PodLoad(node_of(pod), _demand(pod_requests(pod), names))


def load_of_other_pod(
    pod: JsonObject, names: ResourceNames, own: tuple[str, frozenset[str]]
) -> PodLoad:
    """Return the load of a pod of any namespace; nothing if it runs a task of ours.

    Args:
        pod: As the cluster has it.
        names: See ``resource_names``.
        own: The instance of this TESK, and its task namespaces.
    """
    metadata, (instance, namespaces) = pod["metadata"], own
    labels = metadata.get("labels") or {}
    is_own = TASKMASTER in labels and labels.get(INSTANCE) == instance
    if is_own and metadata.get("namespace") in namespaces:
        return PodLoad(node="", amounts=NOTHING)
    return load_of_pod(pod, names)


def remaining_quota(
    bounds: Collection[Resources], loads: Collection[PodLoad], names: ResourceNames
) -> Limit:
    """Return what the tightest quotas of a namespace leave beside other pods."""
    limits = (Limit(**_amounts(each, ROUND_FLOOR, names)) for each in bounds)
    tightest = reduce(Limit.at_most, limits, Limit())
    taken = reduce(Amounts.plus, (each.amounts for each in loads), NOTHING)
    return tightest.plus(taken, times=-1).at_least(NOTHING)


def _demand(resources: Resources, names: ResourceNames) -> Demand:
    return Demand(**_amounts(resources, ROUND_CEILING, names))


def _amounts(
    resources: Resources, rounding: str, names: ResourceNames
) -> dict[str, float]:
    """Convert resources of Kubernetes to the dimensions of the quota."""
    return {
        each.column: int((resources[name] * each.per_unit).to_integral_value(rounding))
        for each, name in names.items()
        if name in resources
    }
