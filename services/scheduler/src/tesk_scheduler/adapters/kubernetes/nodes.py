"""What the nodes of a cluster have for TESK's pods, kept by watching.

Of each node that tasks may run on: what it offers, less a reserve for pods
that we may not see, less the pods that are in the task namespaces and not made
at run time, such as the services themselves.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from tesk_kubernetes.api import (
    NODES,
    PODS,
    RESOURCE_QUOTAS,
    JsonObject,
    KubernetesApi,
    Resource,
)
from tesk_kubernetes.informer import Informer
from tesk_kubernetes.labels import TASKMASTER
from tesk_kubernetes.pods import is_over, node_of
from tesk_kubernetes.requests import (
    Amounts,
    Bound,
    node_amounts,
    pod_requests,
    quota_bound,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import TemplateError, load_pod_template
from tesk_model.quantities import ByteCount
from tesk_scheduler.adapters.kubernetes.node_choice import (
    is_usable,
    sorts_of_executors,
)
from tesk_scheduler.domain.capacity import NodeRoom, OwnPods
from tesk_scheduler.domain.quota import Demand, Limit

T = TypeVar("T")

_NO_WAIT = timedelta(0)
_NOTHING: JsonObject = {"spec": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a pod of somebody else takes; ``pods`` is 0 if it has ended."""

    node: str
    amounts: Amounts
    pods: int


class Nodes:
    """See ``Cluster``."""

    def __init__(
        self,
        api: KubernetesApi,
        settings: KubernetesSettings,
        namespaces: Sequence[str],
        *,
        reserve: NodeRoom,
        changed: Callable[[], None],
    ) -> None:
        """Begin to watch.

        Args:
            api: Of the cluster.
            settings: Say where the pod templates are, and which pools there are.
            namespaces: All task namespaces.
            reserve: What is left on each node for pods that are not seen.
            changed: Called, on another thread, when there is more or less room.
        """
        self._folder = Path(settings.templates)
        self._reserve = reserve
        self._sorts = sorts_of_executors(self._template("executor"), settings)
        self._own = OwnPods(
            taskmaster=_demand(pod_requests(self._template("taskmaster"))),
            filer=_demand(pod_requests(self._template("filer"))),
        )

        def watch(
            resource: Resource,
            namespace: str,
            keep: Callable[[JsonObject], T],
            labels: str = "",
        ) -> Informer[T]:
            notify = _told(changed)
            return Informer(api, resource, namespace, labels, keep=keep, changed=notify)

        self._nodes = watch(NODES, "", self._room_of)
        self._loads = [
            watch(PODS, namespace, load_of, f"!{TASKMASTER}")
            for namespace in namespaces
        ]
        self._quotas = [
            watch(RESOURCE_QUOTAS, namespace, quota_bound) for namespace in namespaces
        ]
        self._all: tuple[Informer[Any], ...] = (self._nodes, *self._loads)
        for informer in (*self._all, *self._quotas):
            informer.start()

    def close(self) -> None:
        """Stop watching."""
        for informer in (*self._all, *self._quotas):
            informer.close()

    def wait_known(self, timeout: timedelta) -> bool:
        """Wait until it is known what there is; return False if it is not."""
        return all(each.wait_synced(timeout) for each in self._all)

    def nodes(self) -> Sequence[NodeRoom] | None:
        """Add up what is known."""
        if not self.wait_known(_NO_WAIT):
            return None
        rooms = {
            name: room for name, room in self._nodes.snapshot().items() if room.pods > 0
        }
        loads = [load for each in self._loads for load in each.snapshot().values()]
        for load in loads:
            room = rooms.get(load.node)
            if room is not None:
                rooms[load.node] = less(room, load.amounts, pods=1)
        return list(rooms.values())

    def bound(self) -> Limit:
        """Add up the ResourceQuotas, less what others take of them.

        While they are not known, or may not be, there is no bound.
        """
        pairs = zip(self._quotas, self._loads, strict=True)
        return sum_of(
            [
                left_of(quotas.snapshot().values(), loads.snapshot().values())
                for quotas, loads in pairs
            ]
        )

    def problem(self) -> str:
        """Return what the API server says."""
        found = (each.problem() for each in self._all)
        return next((words for words in found if words), "nodes are not listed yet")

    def own_pods(self) -> OwnPods:
        """Return what the templates of pods said at the start.

        An upgrade that changes them starts the scheduler anew.
        """
        return self._own

    def _room_of(self, node: JsonObject) -> NodeRoom:
        """Return what a node has; nothing if no task may run there."""
        if not is_usable(node) or not any(
            sort.may_run_on(node) for sort in self._sorts
        ):
            return NodeRoom(cpu_millis=0, ram=0, pods=0)
        amounts, pods = node_amounts(node)
        room = NodeRoom(cpu_millis=amounts.cpu_millis, ram=amounts.ram, pods=pods)
        reserve = self._reserve
        kept = Amounts(cpu_millis=reserve.cpu_millis, ram=reserve.ram)
        return less(room, kept, pods=reserve.pods)

    def _template(self, name: str) -> JsonObject:
        template = _NOTHING
        with suppress(TemplateError):
            template = load_pod_template(self._folder / f"{name}-pod.yaml")
        return template


def _told(changed: Callable[[], None]) -> Callable[[str, object], None]:
    """Return what an informer calls, who says more than is asked for."""
    return lambda _name, _kept: changed()


def load_of(pod: JsonObject) -> Load:
    """Return what a pod takes, and of which node."""
    if is_over(pod):
        return Load(node="", amounts=Amounts(), pods=0)
    return Load(node=node_of(pod), amounts=pod_requests(pod), pods=1)


def left_of(bounds: Collection[Bound], loads: Collection[Load]) -> Limit:
    """Return what the tightest quotas of a namespace leave beside others' pods."""

    def left(most: Iterable[int | None], taken: int) -> int | None:
        tightest = min((each for each in most if each is not None), default=None)
        return None if tightest is None else max(0, tightest - taken)

    ram = left((each.ram for each in bounds), sum(each.amounts.ram for each in loads))
    return Limit(
        running=left((each.pods for each in bounds), sum(each.pods for each in loads)),
        cpu_millis=left(
            (each.cpu_millis for each in bounds),
            sum(each.amounts.cpu_millis for each in loads),
        ),
        ram=None if ram is None else ByteCount(ram),
    )


def sum_of(limits: Sequence[Limit]) -> Limit:
    """Add up; what one has no bound for has none in all."""

    def total(amounts: Sequence[int | None]) -> int | None:
        known = [each for each in amounts if each is not None]
        return sum(known) if len(known) == len(amounts) else None

    ram = total([each.ram for each in limits])
    return Limit(
        running=total([each.running for each in limits]),
        cpu_millis=total([each.cpu_millis for each in limits]),
        ram=None if ram is None else ByteCount(ram),
    )


def less(room: NodeRoom, amounts: Amounts, *, pods: int) -> NodeRoom:
    """Take something away."""
    return NodeRoom(
        cpu_millis=room.cpu_millis - amounts.cpu_millis,
        ram=room.ram - amounts.ram,
        pods=room.pods - pods,
    )


def _demand(amounts: Amounts) -> Demand:
    return Demand(
        cpu_millis=amounts.cpu_millis, ram=ByteCount(amounts.ram), disk=ByteCount(0)
    )
