"""Defines the parts of the quota, each with what is refused of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tesk_scheduler.domain.dimensions import ASKED, RUNNING
from tesk_scheduler.domain.quota import ANY_NAME, Subject, SubjectKind
from tesk_scheduler.quota_config.amounts import AmountSettings, ShareSettings, refuse

MOST_PRIORITY = 1000

_Count = Annotated[int, Meta(ge=0)]
_AtLeastOne = Annotated[int, Meta(ge=1)]
_Weight = Annotated[float, Meta(ge=0, le=1e6)]
_Rate = Annotated[float, Meta(gt=0, le=1e6)]
Priority = Annotated[int, Meta(ge=-MOST_PRIORITY, le=MOST_PRIORITY)]

# 0 is a limit, and given.
_NOT_GIVEN: tuple[Any, ...] = (None, {})
_SHARED = (RUNNING, *ASKED)
_RESOURCES = {each.setting.removesuffix("_gb"): each for each in ASKED}


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the quota."""


class MatchSettings(_Part, frozen=True):
    """Whom a limit is for: a user, a group or a namespace by name, or `*`."""

    user: str | None = None
    group: str | None = None
    namespace: str | None = None

    def __post_init__(self) -> None:
        """Refuse all but one name."""
        given = [name for name in msgspec.structs.asdict(self).values() if name]
        if len(given) != 1:
            refuse(["must have one of user, group and namespace, with a name or *"])

    @property
    def subject(self) -> Subject:
        """The subject; its name may be ``*``."""
        for kind in (SubjectKind.USER, SubjectKind.GROUP):
            if name := getattr(self, kind.value):
                return Subject(kind, name)
        return Subject(SubjectKind.NAMESPACE, self.namespace or "")


class LimitEntry(_Part, frozen=True):
    """The limit and the share of those that match."""

    match: MatchSettings
    max_running: _Count | None = None
    max_queued: _Count | None = None
    max: AmountSettings = AmountSettings()
    guaranteed: ShareSettings = ShareSettings()
    borrowing: ShareSettings = ShareSettings()
    lending: ShareSettings = ShareSettings()
    weight: _Weight = 1.0
    max_priority: Priority | None = None

    def __post_init__(self) -> None:
        """Refuse a share that contradicts itself or the limit."""
        refuse([*self._misplaced(), *self._contradictions()])

    @property
    def has_share(self) -> bool:
        """Tell whether it says more than a limit."""
        none, usual = ShareSettings(), (1.0, None)
        parts = (self.guaranteed, self.borrowing, self.lending)
        return any(each != none for each in parts) or usual != (
            self.weight,
            self.max_priority,
        )

    def _misplaced(self) -> Iterator[str]:
        subject = self.match.subject
        if subject.kind is SubjectKind.NAMESPACE and self.has_share:
            yield (
                "match.namespace: a namespace has limits alone: give guaranteed,"
                " borrowing, lending, weight and max_priority to users and groups"
            )
        if subject.name == ANY_NAME and self.lending != ShareSettings():
            yield (
                "lending: needs a name in match: nobody knows for how many *"
                " would keep something"
            )

    def _contradictions(self) -> Iterator[str]:
        for each in _SHARED:
            name = each.setting
            guaranteed = getattr(self.guaranteed, name)
            for part in ("borrowing", "lending"):
                if getattr(getattr(self, part), name) is not None and not guaranteed:
                    yield f"{part}.{name}: needs guaranteed.{name}"
            if guaranteed is None:
                continue
            lending = getattr(self.lending, name)
            if lending is not None and lending > guaranteed:
                yield (
                    f"lending.{name}: {lending} is more than guaranteed.{name}"
                    f" ({guaranteed}), of which it is a part"
                )
            setting = "max_running" if each is RUNNING else f"max.{name}"
            most = self.max_running if each is RUNNING else getattr(self.max, name)
            if most is not None and guaranteed > most:
                yield (
                    f"guaranteed.{name}: {guaranteed} is more than {setting} ({most}):"
                    " raise that, or lower this"
                )


class PerTaskSettings(AmountSettings):
    """The most of one task."""

    max: AmountSettings = AmountSettings()
    max_executors: _AtLeastOne | None = None
    max_runtime: timedelta | None = None
    max_queue_time: timedelta | None = None
    max_attempts: _AtLeastOne | None = None

    def __post_init__(self) -> None:
        """Refuse what is given twice, and times in which nothing can run."""
        super().__post_init__()
        refuse([*self._twice(), *self._times()])

    @property
    def amounts(self) -> dict[str, Any]:
        """The amounts, given directly or below ``max``, by setting."""
        inner, outer = (
            {name: getattr(part, name) for name in AmountSettings.__struct_fields__}
            for part in (self.max, self)
        )
        return {
            name: outer[name] if value in _NOT_GIVEN else value
            for name, value in inner.items()
        }

    def _twice(self) -> Iterator[str]:
        for name in AmountSettings.__struct_fields__:
            own, inner = getattr(self, name), getattr(self.max, name)
            if own not in _NOT_GIVEN and inner not in _NOT_GIVEN:
                yield f"{name}: is given twice, here and below max: leave one out"

    def _times(self) -> Iterator[str]:
        for name in ("max_runtime", "max_queue_time"):
            time = getattr(self, name)
            if time is not None and time <= timedelta():
                yield f"{name}: must be more than 0; leave it out for no limit"


class FairShareSettings(_Part, frozen=True):
    """How past usage counts when owners compete."""

    enabled: bool = True
    half_life: timedelta = timedelta(hours=24)
    sample: timedelta = timedelta(seconds=60)
    resources: dict[str, _Weight] = msgspec.field(
        default_factory=lambda: {"cpu": 1, "ram": 1, "disk": 0.2, "gpu": 1}
    )

    def __post_init__(self) -> None:
        """Refuse times that are not positive, and unknown resources."""
        refuse(self._problems())

    @property
    def weights(self) -> dict[str, float]:
        """Weights by column."""
        return {_RESOURCES[key].column: value for key, value in self.resources.items()}

    def _problems(self) -> Iterator[str]:
        for name in ("half_life", "sample"):
            if getattr(self, name) <= timedelta():
                yield f"{name}: must be more than 0"
        for name in sorted(self.resources.keys() - _RESOURCES.keys()):
            yield f"resources.{name}: is not known; there are {', '.join(_RESOURCES)}"
        if not any(self.resources.values()):
            yield "resources: one must have a weight; to turn it off set enabled: false"


class RateSettings(_Part, frozen=True):
    """How many tasks may start per second; null: no limit."""

    admit_per_second: _Rate | None = None
    burst: _AtLeastOne = 100
    per_owner_per_second: _Rate | None = None
