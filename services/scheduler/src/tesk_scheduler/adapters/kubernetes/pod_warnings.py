"""What the cluster complains about a pod that is on its node and does not start.

A volume that cannot be mounted, say because its Secret is missing, is told by
events alone. They are asked for, rarely: watching all events of a namespace
would cost more than all else.
"""

from tesk_kubernetes.api import EVENTS, KubernetesApi, KubernetesError
from tesk_kubernetes.pods import event_time
from tesk_scheduler.adapters.kubernetes.pods import PodStatus, one_line
from tesk_scheduler.ports.environment import Clock

# A start takes some seconds when all is well.
_PATIENCE = 8.0
# Nobody waits longer than this for the next question, whatever number starts.
_EVERY = 3.0
_AGAIN = 12.0
_MOST = 1000


class PodWarnings:
    """Asks for them; used by one thread."""

    def __init__(self, api: KubernetesApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._heard: dict[str, tuple[float, str]] = {}
        self._not_before = 0.0

    def about(self, status: PodStatus) -> str:
        """Return the latest complaint about a pod, or ""."""
        if not status.is_silent:
            self._heard.pop(status.uid, None)
            return ""
        if len(self._heard) >= _MOST:
            self._heard.clear()  # of pods that went as they were
        now = self._clock.monotonic()
        due, message = self._heard.setdefault(status.uid, (now + _PATIENCE, ""))
        if now < max(due, self._not_before):
            return message
        self._not_before = now + _EVERY
        message = self._ask(status, message)
        self._heard[status.uid] = (now + _AGAIN, message)
        return message

    def _ask(self, status: PodStatus, message: str) -> str:
        fields = f"involvedObject.uid={status.uid},type=Warning"
        try:
            found = self._api.list(EVENTS, status.namespace, fields=fields)
        except KubernetesError:
            return message  # that is told elsewhere
        latest = max(found.items, key=event_time, default=None)
        return one_line(latest.get("message")) if latest else ""
