"""Defines amounts, subjects, and the quota: how much each subject may use at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import NamedTuple, Self

from tesk_model.quantities import GIB
from tesk_scheduler.domain.dimensions import ASKED, DIMENSIONS

ANY_NAME = "*"

_INDEXES = {each.column: each.index for each in DIMENSIONS}


class SubjectKind(StrEnum):
    """The kinds of subjects."""

    USER = "user"
    GROUP = "group"
    NAMESPACE = "namespace"
    ALL = "all"


class Subject(NamedTuple):
    """Who has usage and limits: a user, a group, a namespace of tasks, or all.

    Attributes:
        name: "" for ALL.
        gpu_type: What is counted are its GPUs of this type alone; "": everything.
    """

    kind: SubjectKind
    name: str
    gpu_type: str = ""


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


NOTHING = Amounts()
NO_LIMIT = Limit()


class Order(StrEnum):
    """What a task that cannot start means for its owner's tasks after it."""

    BEST_EFFORT = "best-effort"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The share of a user or a group, beside its limit.

    Attributes:
        weight: Its part of what is contended, relative to others; 0: always last.
        guaranteed: Tasks within it start before any that borrows; 0: nothing is
            guaranteed of this dimension.
        borrowing: The most that it takes above ``guaranteed``.
        lending: The most of ``guaranteed`` that others may take while it is free;
            the rest is kept. 0: all of it is kept.
        max_priority: The highest priority of its tasks; None: the highest one that
            has a name.
    """

    weight: float = 1.0
    guaranteed: Amounts = NOTHING
    borrowing: Limit = NO_LIMIT
    lending: Limit = NO_LIMIT
    max_priority: int | None = None

    @property
    def ceiling(self) -> Limit:
        """The most that it may take, guaranteed and borrowed."""
        return Limit.of(self.guaranteed.plus(self.borrowing))

    @property
    def kept(self) -> Amounts:
        """What nobody else may take of ``guaranteed``, even while it is free."""
        return self.guaranteed.plus(self.lending, times=-1).at_least(NOTHING)


DEFAULT_SHARE = Share()


class Kept:
    """What guaranteed shares keep from all others.

    Attributes:
        of: By subject; those without are left out, and ``"*"`` cannot keep.
    """

    __slots__ = ("_always", "_totals", "of")

    def __init__(self, shares: Mapping[Subject, Share]) -> None:
        self.of = {
            subject: share.kept
            for subject, share in shares.items()
            if subject.name != ANY_NAME and share.kept != NOTHING
        }
        self._totals: dict[SubjectKind, Amounts] = {}
        for subject, kept in self.of.items():
            asked = Amounts(**{each.column: kept[each] for each in ASKED})
            total = self._totals.get(subject.kind, NOTHING)
            self._totals[subject.kind] = total.plus(asked)
        self._always = _largest(self._totals.values())

    def always_from(self, subjects: Iterable[Subject]) -> Amounts:
        """Return what a task of ``subjects`` can never ask for, whatever else runs.

        What one task uses counts for its user and for its group: the more that all of
        one kind keep, not the sum of both.
        """
        own = [each for each in subjects if each in self.of]
        if not own:
            return self._always
        totals = dict(self._totals)
        for each in own:
            totals[each.kind] = totals[each.kind].plus(self.of[each], times=-1)
        return _largest(totals.values())


def _largest(amounts: Iterable[Amounts]) -> Amounts:
    largest = NOTHING
    for each in amounts:
        largest = largest.at_least(each)
    return largest


@dataclass(frozen=True, slots=True, kw_only=True)
class FairShare:
    """How past usage counts when owners compete.

    Attributes:
        half_life: After so long a core-hour counts for half.
        sample: How often usage is sampled.
        resources: Weight of each dimension, by its column.
    """

    is_enabled: bool = True
    half_life: timedelta = timedelta(hours=24)
    sample: timedelta = timedelta(seconds=60)
    resources: Mapping[str, float] = field(
        default_factory=lambda: {"cpu_millis": 1, "ram": 1, "disk": 0.2, "gpu": 1}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How many tasks are admitted per second; ``burst`` at once after a pause."""

    per_second: float = inf
    burst: int = 100
    per_owner_per_second: float = inf


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLimits:
    """The most that one task may have, beside amounts; None: no limit.

    Attributes:
        executors: Number of them.
        run_time: Of an attempt, from the start of its first executor to its end.
        queue_time: For which it may wait in the queue at a stretch.
        attempts: How often it may run, whatever it asks for; losses that do not count
            left out.
        gpu_types: GPUs by type.
    """

    executors: int | None = None
    run_time: timedelta | None = None
    queue_time: timedelta | None = None
    attempts: int | None = None
    gpu_types: Mapping[str, float] = field(default_factory=dict)


PRIORITIES: Mapping[str, int] = MappingProxyType(
    {"low": -100, "normal": 0, "high": 100}
)
"""Values of the tag ``priority``."""

USUAL_NODE_RESERVE = Amounts(cpu_millis=200, ram=GIB // 4, running=5)
USUAL_DEFAULTS = Demand(
    **{
        each.column: each.unit.parse(each.field.default)
        for each in DIMENSIONS
        if each.field
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """All that is in force about who may use how much, and in which order.

    Attributes:
        everybody: Limit on all tasks together.
        users: By name; ``"*"`` is every user not named, each for itself.
        groups: Likewise. A task is charged to the first of its owner's groups
            that is named here, else to the first one at all under ``"*"``.
        namespaces: Likewise, of the namespaces in which tasks run.
        gpu_types: Most GPUs by type, of subjects that may be named ``"*"``.
        per_task: The most one task may ask for.
        task: The most of what is no amount.
        shares: Of users and groups, which may be named ``"*"``.
        priorities: By value of the tag ``priority``.
        capacity: What the machine or the cluster has; the same for all.
        capacity_gpu_types: Likewise, GPUs by type, where settings give it.
        given: The capacity by the settings, which replaces what is found out.
        finds_capacity: Nodes of a cluster bound what starts.
        node_reserve: Left on each node for pods that are not visible.
        defaults: What a task that does not say is charged, if one may have it.
        reserve_after: How long a task may be passed over before what it needs is
            reserved.
        kept: By the shares; it follows from them.
    """

    everybody: Limit = NO_LIMIT
    users: Mapping[str, Limit] = field(default_factory=dict)
    groups: Mapping[str, Limit] = field(default_factory=dict)
    namespaces: Mapping[str, Limit] = field(default_factory=dict)
    gpu_types: Mapping[Subject, Mapping[str, float]] = field(default_factory=dict)
    per_task: Limit = NO_LIMIT
    task: TaskLimits = TaskLimits()
    shares: Mapping[Subject, Share] = field(default_factory=dict)
    order: Order = Order.BEST_EFFORT
    fair_share: FairShare = FairShare()
    rates: Rates = Rates()
    priorities: Mapping[str, int] = field(default_factory=lambda: dict(PRIORITIES))
    capacity: Limit = NO_LIMIT
    capacity_gpu_types: Mapping[str, float] = field(default_factory=dict)
    given: Limit = NO_LIMIT
    finds_capacity: bool = True
    node_reserve: Amounts = USUAL_NODE_RESERVE
    defaults: Demand = USUAL_DEFAULTS
    reserve_after: timedelta = timedelta(minutes=10)
    kept: Kept = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Add up once what every submission and every round asks for."""
        object.__setattr__(self, "kept", Kept(self.shares))

    @property
    def default_demand(self) -> Demand:
        """What a task without ``resources`` is charged.

        Never more than one task may have, so that a small machine does not refuse
        such a task for something that it did not ask for.
        """
        demand = self.defaults
        for bound in (self.per_task, self.everybody, self.capacity):
            demand = demand.at_most(bound)
        return demand
