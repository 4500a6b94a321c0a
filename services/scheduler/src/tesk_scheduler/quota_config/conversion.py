"""Makes the quota of the rules from settings."""

from collections.abc import Mapping

from tesk_scheduler.domain.dimensions import CHARGED, CPU, RAM
from tesk_scheduler.domain.quota import (
    ANY_NAME,
    DEFAULT_SHARE,
    EVERYBODY,
    Amounts,
    Demand,
    FairShare,
    Limit,
    Order,
    Quota,
    Rates,
    Share,
    Subject,
    SubjectKind,
    TaskLimits,
)
from tesk_scheduler.quota_config.amounts import (
    AmountSettings,
    LimitSettings,
    amounts_from,
    limit_from,
)
from tesk_scheduler.quota_config.entries import LimitEntry, RateSettings
from tesk_scheduler.quota_config.settings import QuotaSettings, ReserveSettings


def quota_from_settings(settings: QuotaSettings, machine_capacity: Limit) -> Quota:
    """Return the quota that is in force.

    Args:
        settings: As loaded.
        machine_capacity: The detected capacity; amounts in the settings replace it.
    """
    capacity = settings.capacity
    is_word = isinstance(capacity, str)
    given = Limit() if is_word else limit_from(capacity)
    if capacity == "unlimited":
        machine_capacity = Limit()
    per_task = AmountSettings(**settings.per_task.amounts)
    return Quota(
        everybody=limit_from(settings.everybody),
        users=_limits(settings.users) | _listed(settings, SubjectKind.USER),
        groups=_limits(settings.groups) | _listed(settings, SubjectKind.GROUP),
        namespaces=_listed(settings, SubjectKind.NAMESPACE),
        gpu_types=_gpu_types(settings),
        per_task=limit_from(per_task),
        task=_task_limits(settings, per_task),
        shares=_shares(settings),
        order=Order(settings.order),
        fair_share=FairShare(
            is_enabled=settings.fair_share.enabled,
            half_life=settings.fair_share.half_life,
            sample=settings.fair_share.sample,
            resources=settings.fair_share.weights,
        ),
        rates=_rates(settings.rate),
        priorities=settings.priorities,
        capacity=machine_capacity.replaced_by(given),
        capacity_gpu_types={} if isinstance(capacity, str) else capacity.gpu_types,
        given=given,
        finds_capacity=capacity != "unlimited",
        node_reserve=_node_reserve(settings.node_reserve),
        defaults=Demand(
            **{
                each.column: each.unit.parse(getattr(settings.defaults, each.setting))
                for each in CHARGED
            }
        ),
        reserve_after=settings.reserve_after,
    )


def _limits(settings: Mapping[str, LimitSettings]) -> dict[str, Limit]:
    return {name: limit_from(entry) for name, entry in settings.items()}


def _listed(settings: QuotaSettings, kind: SubjectKind) -> dict[str, Limit]:
    return {
        subject.name: _limit_of(entry)
        for entry in settings.limits
        if (subject := entry.match.subject).kind is kind
    }


def _limit_of(entry: LimitEntry) -> Limit:
    counts = Limit(running=entry.max_running, queued=entry.max_queued)
    return limit_from(entry.max).replaced_by(counts)


def _gpu_types(settings: QuotaSettings) -> dict[Subject, Mapping[str, float]]:
    found: dict[Subject, Mapping[str, float]] = {
        EVERYBODY: settings.everybody.gpu_types
    }
    for kind, entries in (
        (SubjectKind.USER, settings.users),
        (SubjectKind.GROUP, settings.groups),
    ):
        found |= {Subject(kind, name): each.gpu_types for name, each in entries.items()}
    found |= {entry.match.subject: entry.max.gpu_types for entry in settings.limits}
    return {subject: types for subject, types in found.items() if types}


def _task_limits(settings: QuotaSettings, per_task: AmountSettings) -> TaskLimits:
    return TaskLimits(
        executors=settings.per_task.max_executors,
        run_time=settings.per_task.max_runtime,
        queue_time=settings.per_task.max_queue_time,
        attempts=settings.per_task.max_attempts,
        gpu_types=per_task.gpu_types,
    )


def _shares(settings: QuotaSettings) -> dict[Subject, Share]:
    """Return the shares of those that have one, or that are named beside ``*``."""
    shares = {
        entry.match.subject: Share(
            weight=entry.weight,
            guaranteed=amounts_from(entry.guaranteed),
            borrowing=limit_from(entry.borrowing),
            lending=limit_from(entry.lending),
            max_priority=entry.max_priority,
        )
        for entry in settings.limits
    }
    of_all = {
        kind
        for kind in (SubjectKind.USER, SubjectKind.GROUP)
        if shares.get(Subject(kind, ANY_NAME), DEFAULT_SHARE) != DEFAULT_SHARE
    }
    return {
        subject: share
        for subject, share in shares.items()
        if share != DEFAULT_SHARE or subject.kind in of_all
    }


def _rates(settings: RateSettings) -> Rates:
    usual = Rates()
    return Rates(
        per_second=settings.admit_per_second or usual.per_second,
        burst=settings.burst,
        per_owner_per_second=settings.per_owner_per_second
        or usual.per_owner_per_second,
    )


def _node_reserve(reserve: ReserveSettings) -> Amounts:
    return Amounts(
        cpu_millis=CPU.unit.parse(reserve.cpu),
        ram=RAM.unit.parse(reserve.ram_gb),
        running=reserve.pods,
        gpu=reserve.gpu,
    )
