"""Finds why a waiting container does not start, by the reason in its status.

Pure; part of ``pods``.
"""

import re
from collections.abc import Mapping
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.adapters.kubernetes.status.events import (
    failed_at,
    failing_since,
    has_gone_on,
    of_container,
    pull_failure,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Problem,
    ProblemKind,
    Snapshot,
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
_STARTED = "Started"
_AFTER_A_PULL_FAILED = ("Pulling", "Pulled", "Created", _STARTED)
# Answers of registries for an image that does not exist: retries cannot succeed.
_ABSENT = re.compile(
    r"not found|manifest unknown|name unknown|does not exist|invalid reference|"
    r"no matching manifest|no match for platform|is not present with pull policy|"
    r"access denied",
    re.IGNORECASE,
)
# Answers for missing credentials, which may be renewed while pods wait.
_DENIED = re.compile(
    r"unauthorized|authentication required|denied|forbidden|expired", re.IGNORECASE
)
_PULL_PREFIX = re.compile(
    r'^(Back-off pulling image "[^"]*":? ?)?(ErrImagePull: ?)?'
    r"(rpc error: code = \w+ desc = )?"
)


def container_problem(
    snapshot: Snapshot, status: JsonObject, waiting: Mapping[str, Any]
) -> Problem | None:
    """Return what keeps a container from starting; None if nothing does."""
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    is_own = status["name"] == snapshot.subject.container
    image = "" if is_own else str(status.get("image", ""))
    # What another container once had in its way has passed.
    events = of_container(snapshot.events, status["name"])
    if reason == "InvalidImageName":
        return Problem(kind=ProblemKind.IMAGE_NAME, cause=message, image=image)
    if reason in _IMAGE_REASONS and has_gone_on(events, _AFTER_A_PULL_FAILED):
        return None
    if reason in _IMAGE_REASONS:
        cause = _PULL_PREFIX.sub("", message) or pull_failure(events) or reason
        return Problem(
            kind=_pull_problem(reason, cause),
            cause=cause,
            since=failing_since(events, pull=True),
            told=failed_at(events),
            image=image,
        )
    if reason in _CONTAINER_REASONS and not has_gone_on(events, (_STARTED,)):
        return Problem(
            kind=ProblemKind.CONTAINER,
            cause=message or reason,
            since=failing_since(events, pull=False),
            told=failed_at(events),
            image=image,
        )
    return None


def _pull_problem(reason: str, cause: str) -> ProblemKind:
    if "expired" not in cause.lower() and (
        reason == "ErrImageNeverPull" or _ABSENT.search(cause)
    ):
        return ProblemKind.IMAGE_ABSENT
    return ProblemKind.IMAGE_DENIED if _DENIED.search(cause) else ProblemKind.IMAGE
