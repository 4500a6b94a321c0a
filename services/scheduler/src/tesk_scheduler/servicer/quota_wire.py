"""Converts quotas for AdminService: amounts by the names and units of settings."""

from collections.abc import Mapping
from math import inf

from tesk.v1 import admin_service_pb2 as pb
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.quota import Amounts
from tesk_scheduler.ports.quota import QuotaComparison
from tesk_scheduler.servicer.admin_wire import subject_to_wire
from tesk_scheduler.usecases.admin.quota_view import QuotaPage, SubjectQuota

# Of a list that is for people.
_MOST = 1000


def page_to_wire(page: QuotaPage) -> pb.GetQuotaResponse:
    """Convert a page."""
    return pb.GetQuotaResponse(
        subjects=map(subject_quota_to_wire, page.subjects),
        per_task={
            **bounded_to_wire(page.quota.per_task),
            **_by_type(page.quota.task.gpu_types),
        },
        capacity={**bounded_to_wire(page.capacity), **_by_type(page.gpu_types)},
        next_cursor=page.next_cursor,
    )


def comparison_to_wire(found: QuotaComparison) -> pb.CheckQuotaResponse:
    """Convert a comparison."""
    return pb.CheckQuotaResponse(
        problems=found.problems[:_MOST],
        changes=[
            pb.QuotaChange(path=path, before=before, after=after)
            for path, before, after in found.changes[:_MOST]
        ],
        warnings=found.warnings[:_MOST],
    )


def subject_quota_to_wire(each: SubjectQuota) -> pb.SubjectQuota:
    """Convert what a subject uses and may use."""
    return pb.SubjectQuota(
        subject=subject_to_wire(each.subject),
        used=_some(each.used),
        limit=bounded_to_wire(each.limit),
        share=each.part,
        past_share=each.past,
        guaranteed=_some(each.share.guaranteed),
        weight=each.share.weight,
    )


def bounded_to_wire(amounts: Amounts) -> dict[str, float]:
    """Return the amounts that are limits."""
    return {
        each.setting: each.unit.number(amounts[each])
        for each in DIMENSIONS
        if amounts[each] < inf
    }


def _by_type(gpu_types: Mapping[str, float]) -> dict[str, float]:
    return {f"gpu_types.{name}": count for name, count in gpu_types.items()}


def _some(amounts: Amounts) -> dict[str, float]:
    """Return the amounts that are not 0."""
    return {
        each.setting: each.unit.number(amounts[each])
        for each in DIMENSIONS
        if amounts[each]
    }
