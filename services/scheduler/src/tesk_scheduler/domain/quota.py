"""What a task takes, who is charged for it, and what each may take at once.

Amounts are whole numbers (thousandths of a core, bytes), so that counters
never drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tesk_model.quantities import ByteCount


class SubjectKind(StrEnum):
    """Whose usage a counter counts."""

    USER = "user"
    GROUP = "group"
    ALL = "all"


class Subject(NamedTuple):
    """One bearer of usage and limits; ``name`` is "" for ALL."""

    kind: SubjectKind
    name: str


EVERYBODY = Subject(SubjectKind.ALL, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one task takes from admission to its final state."""

    cpu_millis: int
    ram: ByteCount
    disk: ByteCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a subject has in use; ``queued`` counts tasks that wait."""

    running: int = 0
    queued: int = 0
    cpu_millis: int = 0
    ram: ByteCount = ByteCount(0)
    disk: ByteCount = ByteCount(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most a subject may have at once; None = no limit, 0 = nothing."""

    running: int | None = None
    queued: int | None = None
    cpu_millis: int | None = None
    ram: ByteCount | None = None
    disk: ByteCount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """All limits that are in force.

    Attributes:
        everybody: Limit on all tasks together.
        users: By name; ``"*"`` is every user not named, each for itself.
        groups: Likewise. A task is charged to the first of its owner's groups
            that is named here, else to the first one at all under ``"*"``.
        per_task: The most one task may ask for.
        capacity: What there is to run on; the same for all.
    """

    everybody: Limit = Limit()
    users: Mapping[str, Limit] = field(default_factory=dict)
    groups: Mapping[str, Limit] = field(default_factory=dict)
    per_task: Limit = Limit()
    capacity: Limit = Limit()
