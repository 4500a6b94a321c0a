"""Why tasks wait for taskmasters."""

from tesk_model.reasons import Reason, ReasonCode

_ABOUT_TASKMASTERS = frozenset(
    {
        ReasonCode.TASKMASTERS_FULL,
        ReasonCode.TASKMASTER_REFUSED,
        ReasonCode.TASKMASTER_STARTING,
    }
)


def starting_reason(cause: str) -> Reason:
    """Return why an attempt waits whose taskmaster does not come up."""
    return Reason(ReasonCode.TASKMASTER_STARTING, f"waiting for a taskmaster: {cause}")


def full_reason(tasks: int) -> Reason:
    """Return why a task waits when all taskmasters have as many as they may."""
    return Reason(
        ReasonCode.TASKMASTERS_FULL,
        f"waiting for a taskmaster: {tasks} tasks are in progress",
    )


def refusal_reason(problem: str) -> Reason:
    """Return why a task waits when taskmasters cannot be started at all."""
    return Reason(
        ReasonCode.TASKMASTER_REFUSED, f"no taskmaster can be started: {problem}"
    )


def is_about_taskmasters(reason: Reason) -> bool:
    """Tell whether a reason stops being true when a taskmaster has the attempt."""
    return reason.code in _ABOUT_TASKMASTERS
