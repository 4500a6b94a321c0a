"""The Job of an executor."""

from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.adapters.kubernetes.manifests import Site
from tesk_taskmaster.domain.plan import ExecutorStep, Plan

STDERR_MARK = "\x02err\x02"
"""What the launcher starts each line of stderr with in the container's log."""


def executor_job(
    plan: Plan,
    step: ExecutorStep,
    template: JsonObject,
    *,
    site: Site,
    anchor_uid: str,
) -> JsonObject:
    """Return the Job of an executor.

    Args:
        plan: Of the attempt.
        step: One of ``plan.executors``.
        template: Of executor pods, as the deployment gives it.
        site: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.

    Raises:
        StepFailedError: Kubernetes cannot mount a path, or the nodes that the
            task asks for are not offered here.
    """
    raise NotImplementedError
