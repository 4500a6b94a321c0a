"""Why a task waits, or why it or one of its attempts ended.

A reason is a code and a text. The code is stored, compared and counted; the
text is for people and may change with any release. A code names a cause, so
that one code may say first what a task waits for and then what ended it: the
state of the task tells which. Codes are never renamed.
"""

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """All causes; docs/troubleshooting.md explains each."""

    NONE = ""
    """No reason, or one that an earlier release stored without a code."""

    # What a task waits for before it is admitted.
    ADMISSION_PENDING = "ADMISSION_PENDING"
    QUOTA_FULL = "QUOTA_FULL"
    CAPACITY_FULL = "CAPACITY_FULL"
    CAPACITY_RESERVED = "CAPACITY_RESERVED"
    NODES_NOT_READY = "NODES_NOT_READY"
    NODES_TOO_SMALL = "NODES_TOO_SMALL"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    TASKMASTERS_FULL = "TASKMASTERS_FULL"

    # What an admitted task waits for.
    TASKMASTER_REFUSED = "TASKMASTER_REFUSED"
    TASKMASTER_STARTING = "TASKMASTER_STARTING"
    STEP_STARTING = "STEP_STARTING"
    IMAGE_PULLING = "IMAGE_PULLING"
    TRANSFERRING = "TRANSFERRING"
    API_SERVER_UNREACHABLE = "API_SERVER_UNREACHABLE"
    CANCELING = "CANCELING"

    # What holds a step up, and ends the attempt when it lasts.
    UNSCHEDULABLE = "UNSCHEDULABLE"
    CLUSTER_QUOTA_FULL = "CLUSTER_QUOTA_FULL"
    POD_REFUSED = "POD_REFUSED"
    VOLUME_UNAVAILABLE = "VOLUME_UNAVAILABLE"
    IMAGE_INVALID = "IMAGE_INVALID"
    IMAGE_PULL_FAILED = "IMAGE_PULL_FAILED"
    CONTAINER_START_FAILED = "CONTAINER_START_FAILED"
    NODE_UNRESPONSIVE = "NODE_UNRESPONSIVE"
    TRANSFER_FAILED = "TRANSFER_FAILED"

    # What ends an attempt, or the task.
    EXECUTOR_FAILED = "EXECUTOR_FAILED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    DISK_FULL = "DISK_FULL"
    CANCELED = "CANCELED"
    NODE_LOST = "NODE_LOST"
    EVICTED = "EVICTED"
    PREEMPTED = "PREEMPTED"
    STEP_VANISHED = "STEP_VANISHED"
    TASKMASTER_LOST = "TASKMASTER_LOST"
    TASKMASTER_FAILED = "TASKMASTER_FAILED"
    TASK_INVALID = "TASK_INVALID"


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause: its code, and a sentence for people."""

    code: ReasonCode
    text: str = ""


NO_REASON = Reason(ReasonCode.NONE)

_CODES = {code.value: code for code in ReasonCode}


def reason_code(text: str) -> ReasonCode:
    """Return the code that is spelled ``text``; NONE for that of a later release."""
    return _CODES.get(text, ReasonCode.NONE)
