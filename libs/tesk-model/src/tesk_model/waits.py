"""What a task waits for, as data: which limit, its numbers, and what must happen.

Made beside the sentence of a ``Reason``, by whoever finds the cause. Amounts are in the
units in which users write them: tasks, cores, GiB.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

from tesk_model.quantities import format_number

_NAME_LENGTH = 256
_TEXT_LENGTH = 500
_MAX_NODE_CAUSES = 10


class WaitScope(StrEnum):
    """Whose limit holds a task back, or what lacks room. Never renamed."""

    NONE = ""
    """Of a later release."""

    USER = "user"
    GROUP = "group"
    NAMESPACE = "namespace"
    ALL = "all"
    """All users of the service together."""
    CAPACITY = "capacity"
    """The machine, or all nodes together."""
    NODE = "node"
    """One node: the largest is too small, or none takes the pod."""
    TASKMASTERS = "taskmasters"
    RATE = "rate"
    """How many tasks may start in a time."""
    HOLD = "hold"
    """An administrator."""
    CLUSTER_QUOTA = "cluster-quota"
    """A ResourceQuota of the cluster."""
    CLUSTER_QUEUE = "cluster-queue"
    """A queue of the cluster, as Kueue has."""


_SCOPES = {scope.value: scope for scope in WaitScope}


@dataclass(frozen=True, slots=True)
class NodeCause:
    """Why some nodes do not take a pod: ``Insufficient cpu``.

    Attributes:
        nodes: How many; one node may be counted for several causes.
    """

    cause: str
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitDetails:
    """What one task waits for; None where there is no such number.

    Attributes:
        scope: Whose limit it is.
        subject: Name of the user, group, namespace or queue; "" if it has none.
        dimension: As the settings of the quota spell it: ``running``, ``cpu``,
            ``ram_gb``, ``disk_gb``, …; or a resource of Kubernetes.
        used: What is in use.
        limit: The most that may be. For ``NODE`` what the largest has.
        needed: What this task adds.
        remedy: What must happen, for people: ``starts when …``.
        nodes: For ``NODE`` why none takes the pod, most frequent first.
    """

    scope: WaitScope
    subject: str = ""
    dimension: str = ""
    used: float | None = None
    limit: float | None = None
    needed: float | None = None
    remedy: str = ""
    nodes: tuple[NodeCause, ...] = ()

    @property
    def cause(self) -> tuple[str, str]:
        """What stays the same while only numbers change."""
        return self.scope.value, self.subject

    def bounded(self) -> "WaitDetails":
        """Return it with texts and lists cut to what is stored and sent."""
        return replace(
            self,
            used=_finite(self.used),
            limit=_finite(self.limit),
            needed=_finite(self.needed),
            subject=self.subject[:_NAME_LENGTH],
            dimension=self.dimension[:_NAME_LENGTH],
            remedy=self.remedy[:_TEXT_LENGTH],
            nodes=tuple(
                NodeCause(each.cause[:_NAME_LENGTH], each.nodes)
                for each in self.nodes[:_MAX_NODE_CAUSES]
            ),
        )


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


def wait_scope(text: str) -> WaitScope:
    """Return the scope that is spelled ``text``; NONE for that of a later release."""
    return _SCOPES.get(text, WaitScope.NONE)


def when_tasks_end(count: float, whose: str) -> str:
    """Format that tasks must end: ``starts when 2 tasks of alice have ended``."""
    if count == 1:
        return f"starts when 1 task{whose} has ended"
    return f"starts when {format_number(count)} tasks{whose} have ended"


def when_tasks_free(amount: str, whose: str) -> str:
    """Format that tasks must end: ``starts when tasks of bob have freed 2 GiB disk``."""
    return f"starts when tasks{whose} have freed {amount}"


def node_causes(
    counts: Mapping[str, int] | Iterable[tuple[str, int]],
) -> tuple[NodeCause, ...]:
    """Return causes, most frequent first."""
    causes = [NodeCause(cause, nodes) for cause, nodes in dict(counts).items()]
    return tuple(sorted(causes, key=lambda each: (-each.nodes, each.cause)))
