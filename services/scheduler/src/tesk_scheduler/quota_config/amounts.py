"""Defines amounts in settings, made of the table of dimensions.

Amounts are written as in a TES task: cores and GiB, with fractions.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tesk_scheduler.domain.dimensions import (
    ASKED,
    CHARGED,
    DIMENSIONS,
    GPU,
    QUEUED,
    RUNNING,
    Dimension,
)
from tesk_scheduler.domain.quota import Amounts, Limit

# In bytes still far below what a counter in a database holds (64 bits).
_MOST = 2.0**31

_COUNTED = (RUNNING, QUEUED, GPU)

_Count = Annotated[int, Meta(ge=0)]
_Amount = Annotated[float, Meta(ge=0, le=_MOST)]
_Positive = Annotated[float, Meta(gt=0, le=_MOST)]


def _struct(fields: Iterable[tuple[str, Any, Any]], *bases: type) -> Any:
    """Make a struct of names, types and defaults."""
    return msgspec.defstruct(
        "_Settings",
        fields,
        bases=bases or None,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


def listed(dimensions: Iterable[Dimension]) -> str:
    """Name the settings: ``cpu (cores), ram_gb (GiB) and disk_gb (GiB)``."""
    *names, last = (f"{each.setting} ({each.unit.name})" for each in dimensions)
    return f"{', '.join(names)} and {last}"


def _most(dimensions: Iterable[Dimension], *bases: type) -> Any:
    """Make a struct in which the most of each dimension may be given."""
    fields = (
        (
            each.setting,
            Annotated[
                (_Count if each in _COUNTED else _Amount) | None,
                Meta(description=each.description),
            ],
            None,
        )
        for each in dimensions
    )
    return _struct(fields, *bases)


GpuTypes = Annotated[
    dict[str, _Count], Meta(description="GPUs by type, each the most of it")
]
_GPU_TYPES = "gpu_types"
_Asked = _struct(
    [(_GPU_TYPES, GpuTypes, msgspec.field(default_factory=dict))], _most(ASKED)
)
_OPTIONAL = {
    _GPU_TYPES,
    *(each.setting for each in ASKED if each.field and each.field.may_be_none),
}


class AmountSettings(_Asked):  # type: ignore[misc, valid-type]  # of the table
    """The most of each thing; what is not given has no limit."""

    def __post_init__(self) -> None:
        """Refuse a limit in which all that every task needs is 0.

        Raises:
            ValueError: It is; 0 was taken for "no limit".
        """
        given = msgspec.structs.asdict(self)
        if all(value == 0 or name in _OPTIONAL for name, value in given.items()):
            raise ValueError("every amount is 0; leave out what has no limit")


_Running = _most([RUNNING], AmountSettings)


class RunningSettings(_Running):  # type: ignore[misc, valid-type]  # likewise
    """The most that may run at once."""


_Queued = _most([QUEUED], RunningSettings)


class LimitSettings(_Queued):  # type: ignore[misc, valid-type]  # likewise
    """The most that a subject may have at once."""


_Defaults = _struct(
    (
        each.setting,
        _Amount if each.field.may_be_none else _Positive,
        each.field.default,
    )
    for each in CHARGED
    if each.field
)


class DefaultSettings(_Defaults):  # type: ignore[misc, valid-type]  # likewise
    """What a task without resources is charged."""


_Share = _most([RUNNING, *ASKED])


class ShareSettings(_Share):  # type: ignore[misc, valid-type]  # likewise
    """A part of a share; what is not given is not bounded, or not guaranteed."""


class RefusedError(ValueError):
    """A part of the settings is refused.

    Attributes:
        problems: All that is wrong with it; each begins with its place.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def refuse(problems: Iterable[str]) -> None:
    """Raise RefusedError if there are problems."""
    if found := list(problems):
        raise RefusedError(found)


def limit_from(settings: Any) -> Limit:
    """Return the bounds that settings of amounts give."""
    return Limit(**_given(settings))


def amounts_from(settings: Any) -> Amounts:
    """Return the amounts that settings give; 0 where they give none."""
    return Amounts(**_given(settings))


def _given(settings: Any) -> dict[str, float]:
    given = {each: getattr(settings, each.setting, None) for each in DIMENSIONS}
    return {
        each.column: each.unit.parse(value)
        for each, value in given.items()
        if value is not None
    }
