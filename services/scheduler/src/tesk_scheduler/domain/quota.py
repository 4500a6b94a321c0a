"""Defines who is charged for a task, and how much each may use at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import NamedTuple, Self

from tesk_scheduler.domain.dimensions import DIMENSIONS

ANY_NAME = "*"

_INDEXES = {each.column: each.index for each in DIMENSIONS}


class SubjectKind(StrEnum):
    """The kinds of subjects."""

    USER = "user"
    GROUP = "group"
    ALL = "all"


class Subject(NamedTuple):
    """A user, a group or all users, with usage and limits; ``name`` is "" for ALL."""

    kind: SubjectKind
    name: str


EVERYBODY = Subject(SubjectKind.ALL, "")


class Amounts(tuple[float, ...]):
    """One number for each dimension: ``Amounts(cpu_millis=500)[CPU]`` is 500.

    What is not named, or None, is 0; in a ``Limit`` there is no bound for it.
    """

    __slots__ = ()

    def __new__(cls, **named: float | None) -> Self:
        """Name amounts as the columns of the database.

        Raises:
            KeyError: There is no such dimension.
        """
        values = [cls._unnamed()] * len(DIMENSIONS)
        for name, value in named.items():
            if value is not None:
                values[_INDEXES[name]] = value
        return tuple.__new__(cls, values)

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Build from a number for each dimension, in their order."""
        return tuple.__new__(cls, values)

    def named(self) -> dict[str, float]:
        """Return the numbers by the names of their columns."""
        return {
            each.column: value for each, value in zip(DIMENSIONS, self, strict=True)
        }

    def plus(self, other: "Amounts", *, times: int = 1) -> Self:
        """Add ``other``, several times or, if that is negative, taken away."""
        pairs = zip(self, other, strict=True)
        return self.of([a + times * b for a, b in pairs])

    def at_least(self, other: "Amounts") -> Self:
        """Return the larger of each."""
        return self.of(map(max, self, other))

    def at_most(self, other: "Amounts") -> Self:
        """Return the smaller of each."""
        return self.of(map(min, self, other))

    def fits(self, room: "Amounts") -> bool:
        """Tell whether nothing of it is more than ``room`` has."""
        return all(a <= b for a, b in zip(self, room, strict=True))

    @classmethod
    def _unnamed(cls) -> float:
        return 0


class Usage(Amounts):
    """What a subject uses; ``queued`` counts tasks that wait."""

    __slots__ = ()


class Limit(Amounts):
    """The most a subject may have at once; 0 = nothing."""

    __slots__ = ()

    @classmethod
    def _unnamed(cls) -> float:
        return inf

    def replaced_by(self, given: "Limit") -> "Limit":
        """Return the bounds of ``given``, and those of this where it has none."""
        pairs = zip(self, given, strict=True)
        return Limit.of([old if new == inf else new for old, new in pairs])


class Demand(Amounts):
    """What one task takes from admission to its final state; it counts itself."""

    __slots__ = ()

    def __new__(cls, **named: float | None) -> Self:
        """Name amounts; ``running`` is 1."""
        return super().__new__(cls, **{"running": 1, **named})


NO_LIMIT = Limit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """All limits that are in force.

    Attributes:
        everybody: Limit on all tasks together.
        users: By name; ``"*"`` is every user not named, each for itself.
        groups: Likewise. A task is charged to the first of its owner's groups
            that is named here, else to the first one at all under ``"*"``.
        per_task: The most one task may ask for.
        capacity: What the machine or the cluster has; the same for all.
    """

    everybody: Limit = NO_LIMIT
    users: Mapping[str, Limit] = field(default_factory=dict)
    groups: Mapping[str, Limit] = field(default_factory=dict)
    per_task: Limit = NO_LIMIT
    capacity: Limit = NO_LIMIT


def charged_subjects(
    owner: str, groups: Sequence[str], quota: Quota
) -> tuple[Subject, ...]:
    """Return who is charged for a task: its user, at most one group, EVERYBODY.

    Args:
        owner: Name of the user; "" without authentication.
        groups: The owner's groups, in the order that the identity gives them.
        quota: Its ``groups`` decide which group counts.
    """
    user = Subject(SubjectKind.USER, owner)
    group = _charged_group(groups, quota.groups)
    if group is None:
        return (user, EVERYBODY)
    return (user, Subject(SubjectKind.GROUP, group), EVERYBODY)


def _charged_group(groups: Sequence[str], limits: Mapping[str, Limit]) -> str | None:
    named = next((name for name in groups if name in limits), None)
    if named is None and groups and ANY_NAME in limits:
        return groups[0]
    return named


def limit_of(subject: Subject, quota: Quota) -> Limit:
    """Return the limit of ``subject``: its own entry, else that of ``"*"``."""
    if subject.kind is SubjectKind.ALL:
        return quota.everybody
    limits = quota.users if subject.kind is SubjectKind.USER else quota.groups
    return limits.get(subject.name) or limits.get(ANY_NAME) or NO_LIMIT


def demand_of(asked: Mapping[str, float], defaults: Demand) -> Demand:
    """Return what a task is charged.

    Args:
        asked: What the client gave, by the names of the fields.
        defaults: For what is unset.

    Raises:
        ValueError: An amount is negative or not finite.
    """
    return Demand.of(
        each.unit.parse(asked[each.field.name])
        if each.field and each.field.name in asked
        else default
        for each, default in zip(DIMENSIONS, defaults, strict=True)
    )
