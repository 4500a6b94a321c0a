"""Makes the reasons of tasks that wait for taskmasters."""

from tesk_model.reasons import Reason, ReasonCode

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


def full_reason(tasks: int) -> Reason:
    """Return the reason of a task that waits because all taskmasters are full."""
    return Reason(
        ReasonCode.TASKMASTERS_FULL,
        f"waiting for a taskmaster: {tasks} tasks are in progress",
    )


def refusal_reason(problem: str) -> Reason:
    """Return the reason of a task that waits because no taskmaster can be started."""
    return Reason(
        ReasonCode.TASKMASTER_REFUSED, f"no taskmaster can be started: {problem}"
    )


def is_about_taskmasters(reason: Reason) -> bool:
    """Tell whether a reason ends when a taskmaster calls for the attempt."""
    return reason.code in _ABOUT_TASKMASTERS
