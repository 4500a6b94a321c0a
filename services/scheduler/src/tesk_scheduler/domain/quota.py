"""What a task takes, who is charged for it, and what each may take at once.

Amounts are whole numbers (thousandths of a core, bytes), so that counters
never drift.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tesk_model.quantities import ByteCount, bytes_from_gib
from tesk_model.task import Resources

ANY_NAME = "*"

_NO_BYTES = ByteCount(0)


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
    ram: ByteCount = _NO_BYTES
    disk: ByteCount = _NO_BYTES


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


_NO_LIMIT = Limit()


def charged_subjects(
    owner: str, groups: Sequence[str], quota: Quota
) -> tuple[Subject, ...]:
    """Return who is charged for a task: its user, at most one group, EVERYBODY.

    Args:
        owner: Name of the user; "" if the service does not ask who calls.
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
    return limits.get(subject.name) or limits.get(ANY_NAME) or _NO_LIMIT


def demand_of(resources: Resources | None, defaults: Demand) -> Demand:
    """Return what a task is charged.

    Args:
        resources: As the client sent them. A ``disk_gb`` of 0 counts as unset,
            because clients send it for tasks that do not care.
        defaults: For what is unset.

    Raises:
        ValueError: An amount is negative or not finite.
    """
    if resources is None:
        return defaults
    cpu, ram, disk = resources.cpu_cores, resources.ram_gb, resources.disk_gb
    return Demand(
        cpu_millis=defaults.cpu_millis if cpu is None else millis_from_cores(cpu),
        ram=defaults.ram if ram is None else bytes_from_gib(ram),
        disk=bytes_from_gib(disk) if disk else defaults.disk,
    )


def millis_from_cores(cores: float) -> int:
    """Convert cores to thousandths of a core, rounded up.

    Raises:
        ValueError: ``cores`` is negative or not finite.
    """
    if not math.isfinite(cores * 1000) or cores < 0:
        msg = f"{cores} is not a number of cores"
        raise ValueError(msg)
    millis = cores * 1000
    nearest = round(millis)
    # 16.1 * 1000 is a little more than 16100 in binary.
    is_meant = math.isclose(millis, nearest, rel_tol=1e-15, abs_tol=1e-6)
    return nearest if is_meant else math.ceil(millis)
