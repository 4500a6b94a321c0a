"""Chooses taskmasters for attempts: the fullest first, so that others become idle."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tesk_scheduler.domain.attempt_rules import AttemptRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Taskmaster:
    """A taskmaster as stored.

    Attributes:
        slots: Attempts it can hold at once.
        assigned: Attempts that it has.
        lease_until: Until when it may act without another call.
        seen: It has called at least once.
        revision: Of what it was started from: image, settings, templates.
        draining: An operator wants it to finish what it has, and exit.
        dedicated: It is for the one attempt that it got, and for no other.
    """

    id: str
    slots: int
    assigned: int
    lease_until: datetime
    seen: bool
    started_at: datetime
    revision: str = ""
    draining: bool = False
    dedicated: bool = False

    @property
    def free(self) -> int:
        """Number of attempts that it can still take."""
        return 0 if self.dedicated else max(0, self.slots - self.assigned)

    def is_current(self, revision: str) -> bool:
        """Tell whether it may get more attempts while ``revision`` is the present one."""
        return self.revision == revision and not self.draining

    def is_absent(self, now: datetime) -> bool:
        """Tell whether it has not called yet, or its lease is over."""
        return not self.seen or self.lease_until <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLimits:
    """How many taskmasters there may be, and how many attempts each takes.

    Attributes:
        start_timeout: Time after which one that has not called is given up.
        takeovers: How often in a row an attempt is reassigned after a loss.
        rules: Returns the rules for attempts that are in force.
    """

    taskmasters: int
    tasks_per_taskmaster: int
    start_timeout: timedelta
    takeovers: int
    rules: Callable[[], AttemptRules] = AttemptRules


def startable(fleet: Sequence[Taskmaster], limits: FleetLimits, revision: str) -> int:
    """Count the taskmasters of ``revision`` that may be started.

    Those of earlier revisions, and those that drain, finish what they have, which may
    take days, so they do not count; but there are never more than twice as many in all.
    """
    current = sum(1 for member in fleet if member.is_current(revision))
    most = limits.taskmasters
    return max(0, min(most - current, 2 * most - len(fleet)))


def eligible(
    fleet: Sequence[Taskmaster], *, cordoned: Collection[str], revision: str
) -> list[Taskmaster]:
    """Return the fleet; those that are cordoned, drain or are outdated have no slots."""
    return [
        replace(member, slots=0)
        if member.id in cordoned or not member.is_current(revision)
        else member
        for member in fleet
    ]


def free_slots(fleet: Sequence[Taskmaster], limits: FleetLimits) -> int:
    """Count the attempts that could be placed now."""
    new = max(0, limits.taskmasters - len(fleet))
    return sum(member.free for member in fleet) + new * limits.tasks_per_taskmaster


def plan_dedicated(
    count: int, fleet: Sequence[Taskmaster], limits: FleetLimits
) -> list[str | int]:
    """Choose a taskmaster of its own for each of ``count`` attempts.

    Returns:
        As ``plan_placements`` does; ids are of taskmasters that have no attempt.
    """
    idle = [
        member.id
        for member in sorted(fleet, key=lambda each: (each.started_at, each.id))
        if member.free and not member.assigned
    ]
    new = range(max(0, limits.taskmasters - len(fleet)))
    return [*idle, *new][:count]


def plan_placements(
    count: int, fleet: Sequence[Taskmaster], limits: FleetLimits
) -> list[str | int]:
    """Choose a taskmaster for each of ``count`` attempts.

    Oldest first, each filled before the next. Nothing is random, so that a small
    load stays on a few and the others become idle.

    Returns:
        For each attempt the id of a taskmaster, or the number (0, 1, …) of a
        new one; shorter than ``count`` if there is no room.
    """
    places: list[str | int] = []
    for member in sorted(fleet, key=lambda each: (each.started_at, each.id)):
        places.extend([member.id] * min(member.free, count - len(places)))
    for number in range(max(0, limits.taskmasters - len(fleet))):
        room = min(limits.tasks_per_taskmaster, count - len(places))
        places.extend([number] * room)
    return places
