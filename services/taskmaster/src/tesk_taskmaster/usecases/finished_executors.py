"""Finds out what the scheduler does not keep of executors that have ended.

It keeps their exit codes; until the attempt is released, the runtime may have the rest.
"""

from datetime import timedelta

from tesk_model.reasons import ReasonCode
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.ports import ReportReason, Runtime, StepFailedError

_NO_TIME = timedelta(0)


def cause_of_end(
    plan: Plan, step: str, *, runtime: Runtime, report_reason: ReportReason
) -> ReasonCode:
    """Return why an executor failed that a predecessor has seen to end.

    Args:
        plan: Of its attempt, which is prepared.
        step: That runs the executor.
        runtime: Of the attempt.
        report_reason: See ``Runtime``.

    Returns:
        As in ``StepResult``; NONE if too little is left of the step.
    """
    try:
        runtime.start(plan, step, report_reason, has_started=True)
        result = runtime.wait(plan.attempt, step, _NO_TIME)
    except StepFailedError:
        return ReasonCode.NONE
    return ReasonCode.NONE if result is None or result.error else result.code
