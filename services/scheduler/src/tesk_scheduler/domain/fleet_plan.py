"""Plans what the leader does about taskmasters, from what it observes.

Rule: an attempt is not reassigned while its taskmaster may still act. A
taskmaster may act until its lease is over, unless it is known to have ended.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tesk_scheduler.domain.fleet import Taskmaster

# An orphan may have been told to exit just now, or be about to call.
ORPHAN_GRACE = 60.0
# After a call of the launcher failed.
RETRY_AFTER = 5.0
# Seconds: people do not read faster, and rounds are frequent.
_REASONS_EVERY = 1.0
# Seconds: some causes cause no notification and are only found by asking again.
_REASONS_RECHECK = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time, by two clocks.

    Attributes:
        time: By which leases end.
        monotonic: By which pauses end, in seconds.
    """

    time: datetime
    monotonic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What the launcher reports of one taskmaster.

    Attributes:
        is_alive: It runs or is starting.
        may_act: It may still do something although it is not listed as alive.
        message: How it ended or why it does not come up, for people, or "".
    """

    is_alive: bool
    may_act: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMemory:
    """What a plan passes on to the next; may be lost.

    Attributes:
        cordon: As planned.
        orphans: When each living taskmaster that the store does not know was
            first observed, in monotonic seconds.
        messages: Of the absent taskmasters, as last written to their tasks.
        reported_at: When that was, in monotonic seconds.
    """

    cordon: frozenset[str] = frozenset()
    orphans: Mapping[str, float] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    reported_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedFleet:
    """What the store and the launcher report.

    Attributes:
        members: All taskmasters of the store, read after the launcher was asked.
        instances: What the launcher reports of each member, by id.
        alive: Ids that the launcher lists; None if it does not know yet.
        ended: Ids of ended taskmasters that left something behind.
        failure: Why a taskmaster could not be ended a moment ago; "" if none
            failed. What refuses one refuses the next.
    """

    members: Sequence[Taskmaster] = ()
    instances: Mapping[str, Instance] = field(default_factory=dict)
    alive: Collection[str] | None
    ended: Collection[str] = ()
    failure: str = ""
    memory: FleetMemory = FleetMemory()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What to do about taskmasters, and when to plan again.

    Attributes:
        start: Ids of members that were entered in the store and never started.
        adopt: Ids of members that continue.
        cordon: Ids of members that get no more attempts.
        reassign: Members to end, whose attempts are then reassigned.
        remove: Ids of orphans to end, in order.
        reasons: By id of a member, why its attempts wait; "" if they wait no more.
        wait_until: When to plan again at the latest, in monotonic seconds; None:
            on the next notification.
        memory: For the next plan.
    """

    start: tuple[str, ...] = ()
    adopt: tuple[str, ...] = ()
    cordon: frozenset[str] = frozenset()
    reassign: tuple[Taskmaster, ...] = ()
    remove: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    wait_until: float | None = None
    memory: FleetMemory = FleetMemory()

    @property
    def acts(self) -> bool:
        """Tell whether a taskmaster is to be started or ended."""
        return bool(self.start or self.reassign or self.remove)


class Disposition(StrEnum):
    """What to do about a taskmaster of the store."""

    ADOPT = "ADOPT"
    CORDON = "CORDON"
    """It may still act, or cannot be ended yet."""
    START = "START"
    """It was never started: the scheduler died before it did so."""
    REASSIGN = "REASSIGN"


def disposition_of(
    member: Taskmaster, instance: Instance, now: datetime
) -> Disposition:
    """Decide what to do with a taskmaster of the store."""
    if member.lease_until <= now:
        return Disposition.REASSIGN
    if instance.is_alive:
        return Disposition.ADOPT
    if member.seen:
        return Disposition.CORDON if instance.may_act else Disposition.REASSIGN
    # One that never called cannot act on its attempts.
    return Disposition.REASSIGN if instance.message else Disposition.START


def plan_fleet(observed: ObservedFleet, now: Moment) -> FleetPlan:
    """Plan for every taskmaster.

    None is lost before the launcher knows which are alive, and no more are ended
    after one could not be.
    """
    memory = observed.memory
    if observed.alive is None:
        return FleetPlan(
            cordon=memory.cordon, wait_until=now.monotonic + RETRY_AFTER, memory=memory
        )
    by_disposition: dict[Disposition, list[Taskmaster]] = {
        each: [] for each in Disposition
    }
    for member in observed.members:
        instance = observed.instances[member.id]
        by_disposition[disposition_of(member, instance, now.time)].append(member)
    lost = by_disposition[Disposition.REASSIGN]
    orphans, remove = _plan_orphans(observed, observed.alive, now)
    stuck = _ids(lost) if observed.failure else ()
    cordon = frozenset((*_ids(by_disposition[Disposition.CORDON]), *stuck))
    plan = FleetPlan(
        start=_ids(by_disposition[Disposition.START]),
        adopt=_ids(by_disposition[Disposition.ADOPT]),
        cordon=cordon,
        reassign=() if stuck else tuple(lost),
        remove=() if observed.failure else remove,
        wait_until=_next_check(observed, orphans, now),
        memory=replace(memory, cordon=cordon, orphans=orphans),
    )
    return _with_reasons(plan, _messages(observed, stuck, now), now)


def _ids(members: Iterable[Taskmaster]) -> tuple[str, ...]:
    return tuple(member.id for member in members)


def _plan_orphans(
    observed: ObservedFleet, alive: Collection[str], now: Moment
) -> tuple[Mapping[str, float], tuple[str, ...]]:
    """Find the taskmasters that the store does not know, and which to remove.

    Those that ended are removed at once, living ones after a grace period.
    """
    known = {member.id for member in observed.members}
    before = observed.memory.orphans
    since = {name: before.get(name, now.monotonic) for name in set(alive) - known}
    overdue = {
        name for name, first in since.items() if now.monotonic - first >= ORPHAN_GRACE
    }
    ended = set(observed.ended) - known - set(alive)
    return since, tuple(sorted(overdue | ended))


def _next_check(
    observed: ObservedFleet, orphans: Mapping[str, float], now: Moment
) -> float | None:
    if observed.failure:
        return now.monotonic + RETRY_AFTER
    left = [
        (member.lease_until - now.time).total_seconds() for member in observed.members
    ]
    times = [now.monotonic + max(0.0, seconds) for seconds in left]
    times += [since + ORPHAN_GRACE for since in orphans.values()]
    return min(times, default=None)


def _messages(
    observed: ObservedFleet, stuck: Collection[str], now: Moment
) -> Mapping[str, str]:
    """Return for each absent taskmaster why it does not come up, or ""."""
    return {
        member.id: f"the last one cannot be ended yet: {observed.failure}"
        if member.id in stuck
        else observed.instances[member.id].message
        for member in observed.members
        if member.is_absent(now.time)
    }


def _with_reasons(
    plan: FleetPlan, messages: Mapping[str, str], now: Moment
) -> FleetPlan:
    """Add the reasons of the attempts of absent taskmasters, debounced."""
    memory = plan.memory
    if (
        messages == memory.messages
        and now.monotonic - memory.reported_at < _REASONS_EVERY
    ):
        return _checked_within(plan, _REASONS_EVERY, now) if messages else plan
    reasons = {
        name: message
        for name, message in messages.items()
        if message or memory.messages.get(name)
    }
    memory = replace(memory, messages=messages, reported_at=now.monotonic)
    plan = replace(plan, reasons=reasons, memory=memory)
    return _checked_within(plan, _REASONS_RECHECK, now) if messages else plan


def _checked_within(plan: FleetPlan, seconds: float, now: Moment) -> FleetPlan:
    latest = now.monotonic + seconds
    if plan.wait_until is not None:
        latest = min(latest, plan.wait_until)
    return replace(plan, wait_until=latest)
