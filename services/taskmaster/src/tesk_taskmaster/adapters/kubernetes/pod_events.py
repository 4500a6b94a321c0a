"""Events of a pod, a Job and a claim: why nothing happens, in the cluster's words.

Events are hints: they are gathered, they age out, and they may be missing.
"""

import re
from collections.abc import Collection, Sequence

from tesk_kubernetes.api import JsonObject

# The name of the pod is another with each try; the reason is not.
_CREATION = re.compile(r'^Error creating: (pods? "[^"]*" is forbidden: )?')
_PULL = "Failed to pull image "


def latest(events: Sequence[JsonObject], reasons: Collection[str]) -> JsonObject | None:
    """Return the newest event with one of ``reasons``, or None."""
    found = [event for event in events if event.get("reason") in reasons]
    return max(found, key=_time_of, default=None)


def refusal(events: Sequence[JsonObject]) -> str:
    """Return why the Job controller could not make a pod; "" if it could."""
    event = latest(events, ("FailedCreate", "SuccessfulCreate"))
    if event is None or event["reason"] == "SuccessfulCreate":
        return ""
    return _CREATION.sub("", str(event.get("message", "")))


def pull_failure(events: Sequence[JsonObject]) -> str:
    """Return why an image could not be pulled; "" if no event says so."""
    failures = [e for e in events if str(e.get("message", "")).startswith(_PULL)]
    event = latest(failures, ("Failed",))
    if event is None:
        return ""
    return str(event["message"]).split(": ", 1)[-1]


def _time_of(event: JsonObject) -> str:
    # RFC 3339 in UTC: the order of the texts is that of the times.
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )
