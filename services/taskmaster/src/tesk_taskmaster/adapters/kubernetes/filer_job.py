"""The Job of a filer."""

from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.adapters.kubernetes.manifests import Site
from tesk_taskmaster.domain.plan import Plan


def filer_job(
    plan: Plan, step: str, template: JsonObject, *, site: Site, anchor_uid: str
) -> JsonObject:
    """Return the Job that brings the inputs (``in``) or takes the outputs (``out``).

    Args:
        plan: Of the attempt.
        step: ``in`` or ``out``.
        template: Of filer pods, as the deployment gives it.
        site: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.

    Raises:
        StepFailedError: The nodes that the task asks for are not offered here.
    """
    raise NotImplementedError
