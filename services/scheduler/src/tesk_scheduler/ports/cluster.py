"""The cluster that tasks run on, as far as admission cares."""

from collections.abc import Sequence
from typing import Protocol

from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.quota import Limit


class Cluster(Protocol):
    """Says what there is; never waits for an answer."""

    def nodes(self) -> Sequence[Limit] | None:
        """List what nodes have for TESK's pods, those on which tasks may run.

        None if that is not known: not yet, or we may not know.
        """

    def bound(self) -> Limit:
        """Return the most that ResourceQuotas let TESK's pods take.

        ``running`` counts pods.
        """

    def problem(self) -> str:
        """Say why nodes are not known, for people."""

    def own_pods(self) -> OwnPods:
        """Say what TESK's own pods ask for now."""
