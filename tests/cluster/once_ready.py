"""How servers of the tests tell that they serve: once."""

from typing import Any

_PERIOD, _TRIES = 1, 300


def once_ready(**probe: Any) -> dict[str, Any]:
    """Return fields of a container that is ready from its first good answer on.

    A readiness probe asks all the time, and gives an answer a second: on a busy machine
    the Service then loses its only pod, and whoever calls it is refused.
    """
    return {
        "startupProbe": {
            **probe,
            "periodSeconds": _PERIOD,
            "failureThreshold": _TRIES,
        },
        # Without a request it would get next to nothing of a busy processor.
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
    }
