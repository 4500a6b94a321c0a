"""Says in words and rows what the page shows of what is used now; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_api.domain.load import Load, OwnerLoad
from tesk_model.quantities import format_number

# Settings of the quota that a person looks at, and how they are said.
_AMOUNTS = (
    ("running", "Running", ""),
    ("cpu", "CPU", " cores"),
    ("ram_gb", "Memory", " GiB"),
    ("disk_gb", "Disk", " GiB"),
    ("gpu", "GPUs", ""),
)
_RARE = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What is used of one thing.

    Attributes:
        text: ``3 of 8 cores``.
        part: 0 to 100; None if there is no bound.
    """

    name: str
    text: str
    part: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRow:
    """One owner."""

    name: str
    waiting: str
    amounts: Sequence[Amount]


def owner_rows(load: Load) -> list[OwnerRow]:
    """Return who uses how much of what; what nobody has is left out."""
    has_rare = load.capacity.get(_RARE) or any(
        owner.used.get(_RARE) for owner in load.owners
    )
    shown = [each for each in _AMOUNTS if has_rare or each[0] != _RARE]
    return [
        OwnerRow(
            name=_name(owner),
            waiting=format_number(owner.used.get("queued", 0)),
            amounts=[_amount(owner, load, *each) for each in shown],
        )
        for owner in load.owners
    ]


def _name(owner: OwnerLoad) -> str:
    if owner.user is None:
        return "everybody"
    return owner.user or "without a name"


def _amount(owner: OwnerLoad, load: Load, key: str, name: str, unit: str) -> Amount:
    used = owner.used.get(key, 0)
    bounds = [each[key] for each in (owner.limit, load.capacity) if key in each]
    if not bounds:
        return Amount(name=name, text=f"{_number(used)}{unit}", part=None)
    most = min(bounds)
    part = min(used / most, 1) if most else float(used > 0)
    text = f"{_number(used)} of {_number(most)}{unit}"
    return Amount(name=name, text=text, part=round(100 * part, 2))


def _number(value: float) -> str:
    """Format with a decimal, and small ones with more, so that they are not 0."""
    return format_number(round(value, 1) if value >= 1 else value)
