"""Decides when a right is missing for good.

An API server that has just started refuses everything until it has read all rights,
so that only a refusal that lasts says anything.

Source:
    Kubernetes, ``k8s.io/apiserver``: it serves before the informers start from which
    the RBAC authorizer reads.
"""

from dataclasses import dataclass
from datetime import timedelta

from tesk_taskmaster.ports import Clock


@dataclass(slots=True)
class MissingRight:
    """A right, as the API server speaks of it; not thread-safe."""

    _clock: Clock
    _limit: timedelta
    _since: float | None = None
    _is_final: bool = False

    def is_final(self) -> bool:
        """Take a refusal; tell whether the right is missing for good."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        lasted = now - self._since >= self._limit.total_seconds()
        self._is_final = self._is_final or lasted
        return self._is_final

    def restart(self) -> None:
        """Begin anew: there was no answer, so the API server may start again."""
        self._since = None
