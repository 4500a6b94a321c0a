"""Defines what admission reads of the cluster that tasks run on."""

from collections.abc import Sequence
from typing import Protocol

from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.quota import Limit


class Cluster(Protocol):
    """Reports the capacity of a cluster; never blocks."""

    def nodes(self) -> Sequence[Limit] | None:
        """List what each node on which tasks may run has for TESK's pods.

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
