"""Values of the chart with which the tests install it.

Small requests, so that several releases fit on two cores, and few defaults
otherwise: what users get is what is tested.
"""

from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]

SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}
CREDENTIALS = "e2e-s3"

# So short that a failure which TESK waits for can be waited for by a test.
SHORT_LIMITS = {
    "imageSeconds": 10,
    "imageMissingSeconds": 5,
    "configSeconds": 5,
    "scheduleSeconds": 10,
    "volumeSeconds": 10,
    "startSeconds": 60,
    "quotaSeconds": 10,
    "refusalSeconds": 10,
    "missingSeconds": 2,
}


def shared_values(*, tag: str, s3_endpoint: str) -> Values:
    """Return the values that all releases of the tests share."""
    return {
        "images": {"tag": tag},
        "api": {"resources": SMALL},
        "scheduler": {"resources": SMALL, "leaseSeconds": 10},
        "taskmaster": {"resources": SMALL, "idleSeconds": 10, "liveIntervalSeconds": 1},
        "filer": {"resources": SMALL},
        "executors": {"pullPolicy": "IfNotPresent"},
        "quota": {
            "defaults": {"cpu": 0.01, "ram_gb": 0.0625, "disk_gb": 0.05},
            "everybody": {"cpu": 900},
        },
        "storage": {
            "s3": {
                "endpoint": s3_endpoint,
                "region": "us-east-1",
                "existingSecret": CREDENTIALS,
            }
        },
        # The tests' storages have addresses of the cluster.
        "networkPolicy": {"filer": {"private": True}},
    }


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> Values:
    """Return ``base`` with the values of ``change`` in place of its own."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result
