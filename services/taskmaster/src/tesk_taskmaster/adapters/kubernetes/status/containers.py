"""Why a container that waits does not start, by the reason that its node gives.

Pure; part of ``pods``.
"""

import re
from collections.abc import Mapping
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.templates import MAIN
from tesk_taskmaster.adapters.kubernetes.status.events import (
    failing_since,
    pull_failure,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Snapshot,
    Trouble,
    Troubled,
)

_IMAGE_REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
}
_CONTAINER_REASONS = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "StartError",
    "CrashLoopBackOff",
}
# What registries say of an image that is not there, which no wait will change,
_ABSENT = re.compile(
    r"not found|manifest unknown|name unknown|does not exist|invalid reference|"
    r"no matching manifest|no match for platform|is not present with pull policy|"
    r"access denied",
    re.IGNORECASE,
)
# and of one that is not for us: credentials are renewed while pods wait.
_DENIED = re.compile(
    r"unauthorized|authentication required|denied|forbidden|expired", re.IGNORECASE
)
_PULL_PREFIX = re.compile(
    r'^(Back-off pulling image "[^"]*":? ?)?(ErrImagePull: ?)?'
    r"(rpc error: code = \w+ desc = )?"
)


def container_trouble(
    seen: Snapshot, status: JsonObject, waiting: Mapping[str, Any]
) -> Troubled | None:
    """Say what keeps a container from starting; None if nothing does."""
    reason, said = waiting.get("reason", ""), waiting.get("message", "")
    image = "" if status["name"] == MAIN else str(status.get("image", ""))
    if reason == "InvalidImageName":
        return Troubled(trouble=Trouble.IMAGE_NAME, cause=said, image=image)
    if reason in _IMAGE_REASONS:
        cause = _PULL_PREFIX.sub("", said) or pull_failure(seen.events) or reason
        return Troubled(
            trouble=_pull_trouble(reason, cause),
            cause=cause,
            since=failing_since(seen.events, pull=True),
            image=image,
        )
    if reason in _CONTAINER_REASONS:
        return Troubled(
            trouble=Trouble.CONTAINER,
            cause=said or reason,
            since=failing_since(seen.events, pull=False),
            image=image,
        )
    return None


def _pull_trouble(reason: str, cause: str) -> Trouble:
    if "expired" not in cause.lower() and (
        reason == "ErrImageNeverPull" or _ABSENT.search(cause)
    ):
        return Trouble.IMAGE_ABSENT
    return Trouble.IMAGE_DENIED if _DENIED.search(cause) else Trouble.IMAGE
