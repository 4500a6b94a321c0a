"""Defines the ``quota`` section of the settings, which a file may hold as a whole.

A section that could never let a task run is refused at the start of the service.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tesk_runtime.setting_names import OLD_NAME
from tesk_scheduler.domain.dimensions import (
    ASKED,
    CHARGED,
    DIMENSIONS,
    RUNNING,
)
from tesk_scheduler.domain.quota import PRIORITIES, Subject, SubjectKind
from tesk_scheduler.quota_config.amounts import (
    DefaultSettings,
    LimitSettings,
    RunningSettings,
    listed,
    refuse,
)
from tesk_scheduler.quota_config.entries import (
    FairShareSettings,
    LimitEntry,
    PerTaskSettings,
    Priority,
    RateSettings,
)

_MOST = 2.0**31


class ReserveSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """What is reserved on a node for pods of others."""

    cpu: Annotated[float, Meta(ge=0, le=_MOST)] = 0.2
    ram_gb: Annotated[float, Meta(ge=0, le=_MOST)] = 0.25
    pods: Annotated[int, Meta(ge=0)] = 5
    gpu: Annotated[int, Meta(ge=0)] = 0


class QuotaSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Limits on what users, groups and all together may use at once.

    Structured settings take YAML, also in the environment:
    ``TESK_QUOTA_USERS='{"*": {running: 50}, alice: {cpu: 64}}'``.
    """

    file: Annotated[
        str,
        Meta(
            description="File (YAML) with the whole quota in place of this section;"
            " it is read again when it changes (docs/quotas.md)."
        ),
    ] = ""
    everybody: Annotated[
        LimitSettings,
        Meta(
            description="The most that all tasks together may take:"
            f" {listed(DIMENSIONS)}. What is not given has no limit."
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
    limits: Annotated[
        tuple[LimitEntry, ...],
        Meta(
            description="Limits and shares as a list: `match` (`user`, `group` or"
            " `namespace`, a name or `*`), `max_running`, `max_queued`, `max`,"
            " `guaranteed`, `borrowing`, `lending`, `weight`, `max_priority`"
            " (docs/quotas.md)."
        ),
    ] = ()
    per_task: Annotated[
        PerTaskSettings,
        Meta(
            description=f"The most one task may ask for: {listed(ASKED)}."
            " More is refused. Also `max_executors`, `max_runtime`, `max_queue_time`"
            " and `max_attempts`."
        ),
    ] = PerTaskSettings()
    order: Annotated[
        Literal["best-effort", "strict"],
        Meta(
            description="Whether a task that cannot start lets later ones of its owner"
            " pass (`best-effort`), or holds them up (`strict`)."
        ),
    ] = "best-effort"
    fair_share: Annotated[
        FairShareSettings,
        Meta(
            description="How past usage counts: `enabled`, `half_life`, `sample`, and"
            " the weight of each of `resources`."
        ),
    ] = FairShareSettings()
    rate: Annotated[
        RateSettings,
        Meta(
            description="How many tasks may start per second: `admit_per_second`,"
            " `burst` at once after a pause, `per_owner_per_second`."
        ),
    ] = RateSettings()
    priorities: Annotated[
        dict[str, Priority],
        Meta(description="Values of the tag `priority`, each with its number."),
    ] = msgspec.field(default_factory=lambda: dict(PRIORITIES))
    capacity: Annotated[
        Literal["auto", "unlimited"] | RunningSettings,
        Meta(
            description=f"The capacity to run tasks on: {listed([RUNNING, *ASKED])}."
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
            " (GiB), pods, gpu."
        ),
    ] = ReserveSettings()
    defaults: Annotated[
        DefaultSettings,
        Meta(
            description="What a task without resources is charged:"
            f" {listed(CHARGED)}; never more than one task may have."
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
        """Refuse limits that let no task run, and what is named wrongly or twice.

        Raises:
            RefusedError: Each problem names the setting below ``quota``.
        """
        refuse(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.reserve_after < timedelta():
            yield "reserve_after: must not be negative"
        for setting, names in (("users", self.users), ("groups", self.groups)):
            if "" in names:
                yield f'{setting}: a name is empty; "*" stands for all'
        yield from self._zeros()
        yield from self._twice()
        if "" in self.priorities:
            yield "priorities: a name is empty"

    def _zeros(self) -> Iterator[str]:
        limits = {
            "everybody": self.everybody,
            "per_task": self.per_task,
            "per_task.max": self.per_task.max,
            "capacity": self.capacity,
        }
        for setting, limit in limits.items():
            for each in DIMENSIONS:
                may_be_none = each.field and each.field.may_be_none
                if getattr(limit, each.setting, None) == 0 and not may_be_none:
                    yield (
                        f"{setting}.{each.setting}: 0 would let no task run at all;"
                        " leave it out for no limit"
                    )

    def _twice(self) -> Iterator[str]:
        found = Counter(entry.match.subject for entry in self.limits)
        found.update(Subject(SubjectKind.USER, name) for name in self.users)
        found.update(Subject(SubjectKind.GROUP, name) for name in self.groups)
        for (kind, name, _), count in found.items():
            if count > 1:
                yield f"limits: the {kind} {name} has {count} entries: leave one"


def names_beside_file(settings: QuotaSettings) -> list[str]:
    """Return the settings that are given although ``file`` has the whole quota."""
    usual = QuotaSettings(file=settings.file)
    return [
        name
        for name in QuotaSettings.__struct_fields__
        if getattr(settings, name) != getattr(usual, name)
    ]
