"""Watches what the nodes of a cluster have for TESK's pods.

Of each node that tasks may run on: its allocatable resources, less a reserve for
pods that are not visible, less the pods in the task namespaces that TESK did not
create at run time, such as the services themselves.
"""

from collections.abc import Callable, Collection, Sequence
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
from tesk_kubernetes.labels import TASKMASTER
from tesk_kubernetes.pods import is_finished, node_of
from tesk_kubernetes.requests import (
    Resources,
    node_resources,
    pod_requests,
    quota_bound,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import TemplateError, load_pod_template
from tesk_scheduler.adapters.kubernetes.node_matching import (
    executor_pod_classes,
    is_usable,
)
from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.dimensions import DIMENSIONS, RUNNING
from tesk_scheduler.domain.quota import Amounts, Demand, Limit

_NO_WAIT = timedelta(0)
# A node that does not name a resource has none of it.
_NOTHING: dict[str, float] = {each.column: 0 for each in DIMENSIONS if each.resource}
_EMPTY: JsonObject = {"spec": {}}


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
        reserve: Amounts,
        changed: Callable[[], None],
    ) -> None:
        """Start to watch.

        Args:
            api: Of the cluster.
            settings: Have the pod templates and the pools.
            namespaces: All task namespaces.
            reserve: What is left on each node for pods that are not visible.
            changed: Called, on another thread, when the capacity changes.
        """
        self._folder = Path(settings.templates)
        self._reserve = reserve
        self._classes = executor_pod_classes(self._template("executor"), settings)
        self._own = OwnPods(
            taskmaster=_demand(pod_requests(self._template("taskmaster"))),
            filer=_demand(pod_requests(self._template("filer"))),
        )
        watch = partial(Informer, api, on_change=lambda _name, _kept: changed())
        self._nodes = watch(NODES, "", "", prune=self._capacity_of)
        self._loads = [
            watch(PODS, namespace, f"!{TASKMASTER}", prune=load_of_pod)
            for namespace in namespaces
        ]
        self._quotas = [
            watch(RESOURCE_QUOTAS, namespace, "", prune=quota_bound)
            for namespace in namespaces
        ]
        self._all: tuple[Informer[Any], ...] = (self._nodes, *self._loads)
        for informer in (*self._all, *self._quotas):
            informer.start()

    def close(self) -> None:
        """Stop watching."""
        for informer in (*self._all, *self._quotas):
            informer.close()

    def wait_known(self, timeout: timedelta) -> bool:
        """Wait until nodes and pods are listed; return False if they are not."""
        return all(each.wait_synced(timeout) for each in self._all)

    def nodes(self) -> Sequence[Limit] | None:
        """Return what each node has left."""
        if not self.wait_known(_NO_WAIT):
            return None
        capacities = {
            name: capacity
            for name, capacity in self._nodes.snapshot().items()
            if capacity[RUNNING] > 0
        }
        loads = [load for each in self._loads for load in each.snapshot().values()]
        for load in loads:
            capacity = capacities.get(load.node)
            if capacity is not None:
                capacities[load.node] = capacity.plus(load.amounts, times=-1)
        return list(capacities.values())

    def bound(self) -> Limit:
        """Add up the ResourceQuotas, less what other pods take of them.

        Quotas that are not known, or must not be read, are no bound.
        """
        pairs = zip(self._quotas, self._loads, strict=True)
        return reduce(
            Limit.plus,
            (
                remaining_quota(quotas.snapshot().values(), loads.snapshot().values())
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

    def _capacity_of(self, node: JsonObject) -> Limit:
        """Return the capacity of a node; nothing if no task may run there."""
        if not is_usable(node) or not any(
            sort.may_run_on(node) for sort in self._classes
        ):
            return Limit(**_NOTHING)
        has = _NOTHING | _amounts(node_resources(node), ROUND_FLOOR)
        return Limit(**has).plus(self._reserve, times=-1)

    def _template(self, name: str) -> JsonObject:
        template = _EMPTY
        with suppress(TemplateError):
            template = load_pod_template(self._folder / f"{name}-pod.yaml")
        return template


def load_of_pod(pod: JsonObject) -> PodLoad:
    """Return the node of a pod and what it takes there."""
    if is_finished(pod):
        return PodLoad(node="", amounts=Amounts())
    return PodLoad(node_of(pod), _demand(pod_requests(pod)))


def remaining_quota(bounds: Collection[Resources], loads: Collection[PodLoad]) -> Limit:
    """Return what the tightest quotas of a namespace leave beside other pods."""
    tightest = reduce(Limit.at_most, (_bound(each) for each in bounds), Limit())
    taken = reduce(Amounts.plus, (each.amounts for each in loads), Amounts())
    return tightest.plus(taken, times=-1).at_least(Amounts())


def _bound(resources: Resources) -> Limit:
    return Limit(**_amounts(resources, ROUND_FLOOR))


def _demand(resources: Resources) -> Demand:
    return Demand(**_amounts(resources, ROUND_CEILING))


def _amounts(resources: Resources, rounding: str) -> dict[str, float]:
    """Convert resources of Kubernetes to the dimensions of the quota."""
    return {
        each.column: int(
            (resources[each.resource] * each.per_unit).to_integral_value(rounding)
        )
        for each in DIMENSIONS
        if each.resource in resources
    }
