"""Why a task waits, or why it or one of its attempts ended.

A reason is a code and a text. The code is stored, compared and counted; the
text is for people and may change with any release. A code names a cause, so
that one code may say first what a task waits for and then what ended it: the
state of the task tells which. Codes are never renamed.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from tesk_model.waits import WaitDetails


class ReasonCode(StrEnum):
    """All causes; docs/troubleshooting.md explains each."""

    NONE = ""
    """No reason, or one that an earlier release stored without a code."""

    # What a task waits for before it is admitted.
    ADMISSION_PENDING = "ADMISSION_PENDING"
    HELD = "HELD"
    QUOTA_FULL = "QUOTA_FULL"
    CAPACITY_FULL = "CAPACITY_FULL"
    CAPACITY_RESERVED = "CAPACITY_RESERVED"
    GUARANTEE_KEPT = "GUARANTEE_KEPT"
    NODES_NOT_READY = "NODES_NOT_READY"
    NODES_TOO_SMALL = "NODES_TOO_SMALL"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    TASKMASTERS_FULL = "TASKMASTERS_FULL"
    RETRY_BACKOFF = "RETRY_BACKOFF"

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
    REQUEUED = "REQUEUED"
    CANDIDATE_GONE = "CANDIDATE_GONE"
    STEP_VANISHED = "STEP_VANISHED"
    TASKMASTER_LOST = "TASKMASTER_LOST"
    TASKMASTER_FAILED = "TASKMASTER_FAILED"
    TASK_INVALID = "TASK_INVALID"
    QUEUE_TIME_EXCEEDED = "QUEUE_TIME_EXCEEDED"
    RUN_TIME_EXCEEDED = "RUN_TIME_EXCEEDED"


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause: its code, and a sentence for people.

    Attributes:
        details: The same as data, if it is about something that a task waits for. They
            follow from the sentence, so that they do not count when reasons are compared.
    """

    code: ReasonCode
    text: str = ""
    details: WaitDetails | None = field(default=None, compare=False)

    @property
    def cause(self) -> tuple[str, ...]:
        """What stays the same while only the numbers of the sentence change."""
        return (self.code.value, *(self.details.cause if self.details else ()))


NO_REASON = Reason(ReasonCode.NONE)

_CODES = {code.value: code for code in ReasonCode}


def reason_code(text: str) -> ReasonCode:
    """Return the code that is spelled ``text``; NONE for that of a later release."""
    return _CODES.get(text, ReasonCode.NONE)
