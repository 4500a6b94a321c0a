"""Makes the reasons of tasks that wait for taskmasters."""

from tesk_model.reasons import Reason, ReasonCode
from tesk_model.waits import WaitDetails, WaitScope, when_tasks_end
from tesk_scheduler.domain.dimensions import RUNNING

_ABOUT_TASKMASTERS = frozenset(
    {
        ReasonCode.TASKMASTERS_FULL,
        ReasonCode.TASKMASTER_REFUSED,
        ReasonCode.TASKMASTER_STARTING,
    }
)


def starting_reason(cause: str) -> Reason:
    """Return the reason of an attempt whose taskmaster does not come up."""
    return Reason(ReasonCode.TASKMASTER_STARTING, f"waiting for a taskmaster: {cause}")


def turn_reason(starting: int) -> Reason:
    """Return the reason of a task whose taskmaster is not started yet."""
    return Reason(
        ReasonCode.TASKMASTER_STARTING,
        f"waiting for a taskmaster: {starting} start first",
    )


def full_reason(tasks: int) -> Reason:
    """Return the reason of a task that waits because all taskmasters are full."""
    return Reason(
        ReasonCode.TASKMASTERS_FULL,
        f"waiting for a taskmaster: {tasks} tasks are in progress",
        WaitDetails(
            scope=WaitScope.TASKMASTERS,
            dimension=RUNNING.setting,
            used=tasks,
            limit=tasks,
            needed=1,
            remedy=when_tasks_end(1, ""),
        ),
    )


def refusal_reason(problem: str) -> Reason:
    """Return the reason of a task that waits because no taskmaster can be started."""
    return Reason(
        ReasonCode.TASKMASTER_REFUSED, f"no taskmaster can be started: {problem}"
    )


def is_about_taskmasters(reason: Reason) -> bool:
    """Tell whether a reason ends when a taskmaster calls for the attempt."""
    return reason.code in _ABOUT_TASKMASTERS
