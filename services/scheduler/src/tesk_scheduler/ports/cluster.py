"""Defines what admission reads of the cluster that tasks run on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.quota import Amounts, Limit


@dataclass(frozen=True, slots=True)
class Nodes:
    """What nodes on which tasks may run have for TESK's pods.

    Attributes:
        every: Of each node.
        by_gpu_type: Of those that have GPUs of a type; of all types that tasks may
            ask for.
    """

    every: Sequence[Limit]
    by_gpu_type: Mapping[str, Sequence[Limit]] = field(default_factory=dict)


class Cluster(Protocol):
    """Reports the capacity of a cluster; never blocks."""

    def nodes(self, reserve: Amounts, /) -> Nodes | None:
        """Return what the nodes have, less ``reserve`` on each for other pods.

        None if that is not known yet, or the scheduler lacks the right to know.
        """

    def bound(self) -> Limit:
        """Return the most that ResourceQuotas let TESK's pods take.

        ``running`` counts pods.
        """

    def problem(self) -> str:
        """Return why nodes are not known, for people."""

    def own_pods(self) -> OwnPods:
        """Return what TESK's own pods request now."""
