"""How much room there is when admission asks for it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_scheduler.domain.capacity import (
    Capacity,
    TaskmasterCounts,
    cluster_capacity,
    is_known,
)
from tesk_scheduler.domain.initializing import with_initializing
from tesk_scheduler.domain.quota import Limit
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ClusterCapacity:
    """Finds out what a cluster can hold; used by the leader's one thread.

    Attributes:
        given: What the settings say that there is.
        stuck_after: A task that has not started for so long waits for long;
            see ``domain.initializing``.
        staff: Says which taskmasters there are.
    """

    store: TaskStore
    clock: Clock
    cluster: Cluster
    given: Limit
    stuck_after: timedelta
    taskmasters: Callable[[], TaskmasterCounts]
    _told: str = field(default="", init=False)

    def now(self) -> Capacity:
        """Return the room that there is now, and what is in use of it."""
        nodes = self.cluster.nodes()
        own = self.cluster.own_pods()
        taskmasters = self.taskmasters()
        self._tell(
            "" if nodes is not None else self.cluster.problem(), taskmasters.slots
        )
        stuck_since = self.clock.now() - self.stuck_after
        commitments = self.store.committed(own.filer, admitted_before=stuck_since)
        capacity = cluster_capacity(
            nodes,
            given=self.given,
            bound=self.cluster.bound(),
            own=own,
            taskmasters=taskmasters,
            committed=commitments.counted,
        )
        return with_initializing(capacity, commitments, stuck_since=stuck_since)

    def _tell(self, problem: str, slots: int) -> None:
        if problem and problem != self._told and not is_known(self.given):
            _LOG.warning(
                "what the cluster can hold is not known: no more than %d tasks are"
                " in progress at once; let the scheduler list nodes, or set"
                " quota.capacity",
                slots,
                extra={"cause": problem},
            )
        self._told = problem
