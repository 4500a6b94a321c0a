"""Reads the warning events of pods that are on their node and do not start.

That a volume cannot be mounted, say because its Secret is missing, is reported by
events alone. They are listed, rarely: watching all events of a namespace would
cost more than everything else.
"""

from tesk_kubernetes.api import EVENTS, KubernetesApi, KubernetesError
from tesk_kubernetes.pods import event_time
from tesk_scheduler.adapters.kubernetes.pods import PodStatus, one_line
from tesk_scheduler.ports.environment import Clock

# Seconds that a start may take before events are listed.
_FIRST_AFTER = 8.0
# Seconds between two lists, of whatever pods.
_EVERY = 3.0
_REPEAT_AFTER = 12.0
_CAPACITY = 1000


class PodWarnings:
    """Lists and caches warnings of pods; used by one thread."""

    def __init__(self, api: KubernetesApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._cache: dict[str, tuple[float, str]] = {}
        self._not_before = 0.0

    def latest(self, status: PodStatus) -> str:
        """Return the latest warning of a silent pod, or ""."""
        if not status.is_silent:
            self._cache.pop(status.uid, None)
            return ""
        if len(self._cache) >= _CAPACITY:
            self._cache.clear()  # of pods that are gone
        now = self._clock.monotonic()
        due, message = self._cache.setdefault(status.uid, (now + _FIRST_AFTER, ""))
        if now < max(due, self._not_before):
            return message
        self._not_before = now + _EVERY
        message = self._list(status, message)
        self._cache[status.uid] = (now + _REPEAT_AFTER, message)
        return message

    def _list(self, status: PodStatus, message: str) -> str:
        fields = f"involvedObject.uid={status.uid},type=Warning"
        try:
            found = self._api.list(EVENTS, status.namespace, fields=fields)
        except KubernetesError:
            return message  # reported by the launcher
        latest = max(found.items, key=event_time, default=None)
        return one_line(latest.get("message")) if latest else ""
