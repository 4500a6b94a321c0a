"""Computes the capacity of the cluster when admission needs it."""

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

_logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ClusterCapacity:
    """Computes the capacity of a cluster; used by the leader's thread.

    Attributes:
        given: The capacity by the settings.
        stuck_after: An initializing task is stuck after this time; see
            ``domain.initializing``.
        taskmasters: Counts the taskmasters.
    """

    store: TaskStore
    clock: Clock
    cluster: Cluster
    given: Limit
    stuck_after: timedelta
    taskmasters: Callable[[], TaskmasterCounts]
    _reported: str = field(default="", init=False)

    def now(self) -> Capacity:
        """Return the present capacity, and what is in use of it."""
        nodes = self.cluster.nodes()
        own = self.cluster.own_pods()
        taskmasters = self.taskmasters()
        self._warn(
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

    def _warn(self, problem: str, slots: int) -> None:
        if problem and problem != self._reported and not is_known(self.given):
            _logger.warning(
                "the capacity of the cluster is unknown: no more than %d tasks are in"
                " progress at once; let the scheduler list nodes, or set"
                " quota.capacity",
                slots,
                extra={"cause": problem},
            )
        self._reported = problem
