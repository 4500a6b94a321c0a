"""Defines the ``quota`` section of the settings and converts it to limits.

Amounts are written as in a TES task: cores and GiB, with fractions. A section
that could never let a task run is refused at the start of the service.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tesk_runtime.setting_names import OLD_NAME
from tesk_scheduler.domain.dimensions import (
    ASKED,
    CPU,
    DIMENSIONS,
    QUEUED,
    RAM,
    RUNNING,
    Dimension,
)
from tesk_scheduler.domain.quota import Amounts, Demand, Limit, Quota

# In bytes still far below what a counter in a database holds (64 bits).
_MOST = 2.0**31

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


def _listed(dimensions: Iterable[Dimension]) -> str:
    """Name the settings: ``cpu (cores), ram_gb (GiB) and disk_gb (GiB)``."""
    *names, last = (f"{each.setting} ({each.unit.name})" for each in dimensions)
    return f"{', '.join(names)} and {last}"


def _most(dimensions: Iterable[Dimension], *bases: type) -> Any:
    """Make a struct in which the most of each dimension may be given."""
    fields = (
        (
            each.setting,
            Annotated[
                (_Amount if each.field else _Count) | None,
                Meta(description=each.description),
            ],
            None,
        )
        for each in dimensions
    )
    return _struct(fields, *bases)


_Asked = _most(ASKED)
_OPTIONAL = {each.setting for each in ASKED if each.field and each.field.may_be_none}


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
    for each in ASKED
    if each.field
)


class DefaultSettings(_Defaults):  # type: ignore[misc, valid-type]  # likewise
    """What a task without resources is charged."""


class ReserveSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """What is reserved on a node for pods of others."""

    cpu: Annotated[float, Meta(ge=0, le=_MOST)] = 0.2
    ram_gb: Annotated[float, Meta(ge=0, le=_MOST)] = 0.25
    pods: Annotated[int, Meta(ge=0)] = 5


class QuotaSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Limits on what users, groups and all together may use at once.

    Structured settings take YAML, also in the environment:
    ``TESK_QUOTA_USERS='{"*": {running: 50}, alice: {cpu: 64}}'``.
    """

    everybody: Annotated[
        LimitSettings,
        Meta(
            description="The most that all tasks together may take:"
            f" {_listed(DIMENSIONS)}. What is not given has no limit."
        ),
    ] = LimitSettings()
    users: Annotated[
        dict[str, LimitSettings],
        Meta(
            description="The same for each user, by name; `*` is every user not"
            " named, each for itself. A named user without limits: `{}`."
        ),
    ] = msgspec.field(default_factory=dict)
    groups: Annotated[
        dict[str, LimitSettings],
        Meta(
            description="The same for the tasks of each group, by name; `*` is"
            " every group not named. A task counts for the first of its owner's"
            " groups that is named here, else for the first under `*`."
        ),
    ] = msgspec.field(default_factory=dict)
    per_task: Annotated[
        AmountSettings,
        Meta(
            description=f"The most one task may ask for: {_listed(ASKED)}."
            " More is refused."
        ),
    ] = AmountSettings()
    capacity: Annotated[
        Literal["auto", "unlimited"] | RunningSettings,
        Meta(
            description=f"The capacity to run tasks on: {_listed([RUNNING, *ASKED])}."
            " What is not given is detected; `auto` detects everything: what this"
            " machine has, or the nodes of the cluster. `unlimited`: all that `quota`"
            " allows is started, for clusters whose autoscaler adds nodes."
        ),
    ] = "auto"
    node_reserve: Annotated[
        ReserveSettings,
        Meta(
            description="What is reserved on each node of a cluster for pods outside of"
            " the task namespaces, when its capacity is detected: cpu (cores), ram_gb"
            " (GiB), pods."
        ),
    ] = ReserveSettings()
    defaults: Annotated[
        DefaultSettings,
        Meta(
            description="What a task without resources is charged:"
            f" {_listed(ASKED)}; never more than one task may have."
        ),
    ] = DefaultSettings()
    reserve_after: Annotated[
        timedelta,
        Meta(
            description="Seconds for which smaller tasks may pass one that waits for"
            " capacity. After that, what it needs is reserved for it. In a cluster,"
            " an admitted task that has not started for as long, though all admitted"
            " tasks would fit, lets others pass.",
            extra={OLD_NAME: "patience"},
        ),
    ] = timedelta(minutes=10)

    def __post_init__(self) -> None:
        """Refuse limits that let no task run, and empty names.

        Raises:
            ValueError: The message names the setting below ``quota``.
        """
        if self.reserve_after < timedelta():
            raise ValueError("reserve_after: must not be negative")
        for setting, names in (("users", self.users), ("groups", self.groups)):
            if "" in names:
                raise ValueError(f'{setting}: a name is empty; "*" stands for all')
        for setting in ("everybody", "per_task", "capacity"):
            limit = getattr(self, setting)
            for each in DIMENSIONS:
                may_be_none = each.field and each.field.may_be_none
                if getattr(limit, each.setting, None) == 0 and not may_be_none:
                    raise ValueError(
                        f"{setting}.{each.setting}: 0 would let no task run at all;"
                        " leave it out for no limit"
                    )


def quota_from_settings(settings: QuotaSettings, machine_capacity: Limit) -> Quota:
    """Return the limits that are in force.

    Args:
        settings: As loaded.
        machine_capacity: The detected capacity; amounts in the settings replace it.
    """
    given = given_capacity(settings)
    if settings.capacity == "unlimited":
        machine_capacity = Limit()
    return Quota(
        everybody=_limit(settings.everybody),
        users=_limits(settings.users),
        groups=_limits(settings.groups),
        per_task=_limit(settings.per_task),
        capacity=machine_capacity.replaced_by(given),
    )


def given_capacity(settings: QuotaSettings) -> Limit:
    """Return the capacity that the settings give."""
    given = settings.capacity
    return Limit() if isinstance(given, str) else _limit(given)


def node_reserve(settings: QuotaSettings) -> Amounts | None:
    """Return what is reserved on each node; None if nodes are not watched."""
    if settings.capacity == "unlimited":
        return None
    reserve = settings.node_reserve
    return Amounts(
        cpu_millis=CPU.unit.parse(reserve.cpu),
        ram=RAM.unit.parse(reserve.ram_gb),
        running=reserve.pods,
    )


def default_demand(settings: QuotaSettings, quota: Quota) -> Demand:
    """Return what a task without ``resources`` is charged.

    Never more than one task may have, so that a small machine does not refuse such
    a task for something that it did not ask for.
    """
    defaults = Demand(
        **{
            each.column: each.unit.parse(getattr(settings.defaults, each.setting))
            for each in ASKED
        }
    )
    for bound in (quota.per_task, quota.everybody, quota.capacity):
        defaults = defaults.at_most(bound)
    return defaults


def _limits(settings: Mapping[str, LimitSettings]) -> dict[str, Limit]:
    return {name: _limit(entry) for name, entry in settings.items()}


def _limit(settings: AmountSettings) -> Limit:
    given = {each: getattr(settings, each.setting, None) for each in DIMENSIONS}
    return Limit(
        **{
            each.column: each.unit.parse(value)
            for each, value in given.items()
            if value is not None
        }
    )
