"""Computes the capacity of the cluster when admission needs it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from tesk_scheduler.domain.capacity import (
    Capacity,
    TaskmasterCounts,
    cluster_capacity,
    is_known,
    with_gpu_types,
)
from tesk_scheduler.domain.initializing import with_initializing
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore

_logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ClusterCapacity:
    """Computes the capacity of a cluster; used by the leader's thread.

    Attributes:
        taskmasters: Counts the taskmasters.
    """

    store: TaskStore
    clock: Clock
    cluster: Cluster
    taskmasters: Callable[[], TaskmasterCounts]
    _reported: str = field(default="", init=False)

    def now(self, quota: Quota) -> Capacity | None:
        """Return the present capacity, and what is in use of it; None: unlimited."""
        if not quota.finds_capacity:
            return None
        nodes = self.cluster.nodes(quota.node_reserve)
        own = self.cluster.own_pods()
        taskmasters = self.taskmasters()
        if nodes is None:
            self._warn(self.cluster.problem(), taskmasters.slots, quota.given)
        else:
            self._reported = ""
        # An initializing task is stuck after this; see ``domain.initializing``.
        stuck_since = self.clock.now() - quota.reserve_after
        commitments = self.store.committed(own.filer, admitted_before=stuck_since)
        capacity = cluster_capacity(
            None if nodes is None else nodes.every,
            given=quota.given,
            bound=self.cluster.bound(),
            own=own,
            taskmasters=taskmasters,
            committed=commitments.counted,
        )
        capacity = with_gpu_types(
            capacity,
            {} if nodes is None else nodes.by_gpu_type,
            given=quota.capacity_gpu_types,
            used=commitments.gpus,
        )
        return with_initializing(capacity, commitments, stuck_since=stuck_since)

    def _warn(self, problem: str, slots: int, given: Limit) -> None:
        if problem != self._reported and not is_known(given):
            _logger.warning(
                "the capacity of the cluster is unknown: no more than %d tasks are in"
                " progress at once; let the scheduler list nodes, or set"
                " quota.capacity",
                slots,
                extra={"cause": problem},
            )
        self._reported = problem
