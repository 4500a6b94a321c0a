"""Defines the states of a task and the transitions between them.

Source: GA4GH TES 1.1 ``tesState``. Every rule about
transitions is in this module.
"""

from enum import StrEnum


class TaskState(StrEnum):
    """tesState; all eleven, though UNKNOWN, PAUSED and PREEMPTED are never entered.

    No workflow engine treats PREEMPTED as final, so TESK runs the task again
    instead.
    """

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"
    CANCELING = "CANCELING"

    @property
    def is_final(self) -> bool:
        """Tell whether no other state can follow."""
        return self in FINAL_STATES


FINAL_STATES = frozenset(
    {
        TaskState.COMPLETE,
        TaskState.EXECUTOR_ERROR,
        TaskState.SYSTEM_ERROR,
        TaskState.CANCELED,
        TaskState.PREEMPTED,
    }
)

_NONE: frozenset[TaskState] = frozenset()

TRANSITIONS: dict[TaskState, frozenset[TaskState]] = {
    TaskState.QUEUED: frozenset(
        {TaskState.INITIALIZING, TaskState.SYSTEM_ERROR, TaskState.CANCELED}
    ),
    # Back to QUEUED: the attempt was lost through no fault of the user.
    TaskState.INITIALIZING: frozenset(
        {
            TaskState.RUNNING,
            TaskState.QUEUED,
            TaskState.SYSTEM_ERROR,
            TaskState.CANCELING,
        }
    ),
    TaskState.RUNNING: frozenset(
        {
            TaskState.COMPLETE,
            TaskState.EXECUTOR_ERROR,
            TaskState.SYSTEM_ERROR,
            TaskState.QUEUED,
            TaskState.CANCELING,
        }
    ),
    # However the attempt ends, the user has canceled the task.
    TaskState.CANCELING: frozenset({TaskState.CANCELED}),
    TaskState.UNKNOWN: _NONE,
    TaskState.PAUSED: _NONE,
    TaskState.COMPLETE: _NONE,
    TaskState.EXECUTOR_ERROR: _NONE,
    TaskState.SYSTEM_ERROR: _NONE,
    TaskState.CANCELED: _NONE,
    TaskState.PREEMPTED: _NONE,
}


def can_follow(state: TaskState, following: TaskState) -> bool:
    """Tell whether ``following`` may come directly after ``state``."""
    return following in TRANSITIONS[state]
