"""What must happen before a task that waits goes on, for people.

A reason whose details name it, with numbers, has the last word; the table has one
sentence for each other code that a task can wait with.
"""

from collections.abc import Mapping

from tesk_model.reasons import Reason, ReasonCode

REMEDIES: Mapping[ReasonCode, str] = {
    ReasonCode.ADMISSION_PENDING: "starts in turn, after the tasks before it",
    ReasonCode.HELD: "starts when the operator has ended that",
    ReasonCode.QUOTA_FULL: "starts when other tasks have ended",
    ReasonCode.CAPACITY_FULL: "starts when other tasks have ended",
    ReasonCode.CAPACITY_RESERVED: "starts when that task has started",
    ReasonCode.GUARANTEE_KEPT: "starts when enough is free beside what is kept",
    ReasonCode.NODES_NOT_READY: "starts when a node is ready",
    ReasonCode.NODES_TOO_SMALL: "starts when a larger node is there",
    ReasonCode.LIMIT_EXCEEDED: (
        "starts only if an administrator raises that limit: cancel it, and ask for less"
    ),
    ReasonCode.TASKMASTERS_FULL: "starts when a task in progress has ended",
    ReasonCode.TASKMASTER_REFUSED: (
        "starts when a taskmaster can be started; an administrator must see to it"
    ),
    ReasonCode.RETRY_BACKOFF: "goes on when the pause is over",
    ReasonCode.TASKMASTER_STARTING: "goes on when its taskmaster is up",
    ReasonCode.STEP_STARTING: "goes on by itself",
    ReasonCode.IMAGE_PULLING: "goes on when the image is there",
    ReasonCode.TRANSFERRING: "goes on when the files have arrived",
    ReasonCode.API_SERVER_UNREACHABLE: "goes on when it answers again",
    ReasonCode.CANCELING: "ends when nothing of it is left",
    ReasonCode.UNSCHEDULABLE: "goes on when a node can take it",
    ReasonCode.CLUSTER_QUOTA_FULL: "goes on when the cluster lets it start",
    ReasonCode.POD_REFUSED: "goes on when the cluster accepts its pod",
    ReasonCode.VOLUME_UNAVAILABLE: "goes on when its volume is there",
    ReasonCode.IMAGE_PULL_FAILED: "goes on when the image can be pulled",
    ReasonCode.CONTAINER_START_FAILED: "goes on when its container starts",
    ReasonCode.NODE_UNRESPONSIVE: "goes on when its node answers, or on another one",
    ReasonCode.TRANSFER_FAILED: "goes on with the next try",
}
"""By code: one for each that docs/waiting.md has."""


def remedy_of(reason: Reason) -> str:
    """Return what must happen; "" if nothing holds a task up."""
    if reason.details and reason.details.remedy:
        return reason.details.remedy
    return REMEDIES.get(reason.code, "")
