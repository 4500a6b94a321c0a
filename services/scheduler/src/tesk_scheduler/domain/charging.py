"""Decides who is charged for a task, for how much, and what bounds each of them."""

from collections.abc import Iterable, Mapping, Sequence

from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.quota import (
    ANY_NAME,
    DEFAULT_SHARE,
    EVERYBODY,
    NO_LIMIT,
    Demand,
    Limit,
    Quota,
    Share,
    Subject,
    SubjectKind,
)


def charged_subjects(
    owner: str,
    groups: Sequence[str],
    quota: Quota,
    *,
    namespace: str = "",
    gpu_type: str = "",
) -> tuple[Subject, ...]:
    """Return who is charged for a task; see ``subjects_of``.

    Args:
        owner: Name of the user; "" without authentication.
        groups: The owner's groups, in the order that the identity gives them.
        quota: Its ``groups`` decide which group counts.
        namespace: In which it will run; "" if there are none.
        gpu_type: Of the GPUs that it asks for; "" for any, or none.
    """
    group = _charged_group(groups, quota)
    return subjects_of(owner, group, namespace=namespace, gpu_type=gpu_type)


def subjects_of(
    owner: str, group: str | None, *, namespace: str = "", gpu_type: str = ""
) -> tuple[Subject, ...]:
    """Return everyone charged for a task: its user, its group if any, its namespace, all.

    With a type of GPU, each of them for its GPUs of this type as well.
    """
    charged = [Subject(SubjectKind.USER, owner)]
    if group is not None:
        charged.append(Subject(SubjectKind.GROUP, group))
    if namespace:
        charged.append(Subject(SubjectKind.NAMESPACE, namespace))
    charged.append(EVERYBODY)
    if gpu_type:
        charged += [each._replace(gpu_type=gpu_type) for each in charged]
    return tuple(charged)


def gpu_type_of(subjects: Iterable[Subject]) -> str:
    """Return which GPUs a task asks for whose subjects these are; "" for any."""
    return next((each.gpu_type for each in subjects if each.gpu_type), "")


def _charged_group(groups: Sequence[str], quota: Quota) -> str | None:
    kind = SubjectKind.GROUP
    named = (name for name in groups if _is_named(Subject(kind, name), quota))
    group = next(named, None)
    if group is None and groups and _is_named(Subject(kind, ANY_NAME), quota):
        return groups[0]
    return group


def limit_of(subject: Subject, quota: Quota) -> Limit:
    """Return the limit of ``subject``: its own entry, else that of ``"*"``.

    What it may borrow bounds it, too.
    """
    entry = _entry_of(subject, quota)
    if subject.gpu_type:
        most = quota.gpu_types.get(entry, {}).get(subject.gpu_type)
        return NO_LIMIT if most is None else Limit(gpu=most)
    if entry.kind is SubjectKind.ALL:
        return quota.everybody
    limit = _limits(entry.kind, quota).get(entry.name, NO_LIMIT)
    share = quota.shares.get(entry, DEFAULT_SHARE)
    return limit if share.borrowing == NO_LIMIT else limit.at_most(share.ceiling)


def share_of(subject: Subject, quota: Quota) -> Share:
    """Return the share of ``subject``: that of its own entry, else of ``"*"``."""
    return quota.shares.get(_entry_of(subject, quota), DEFAULT_SHARE)


def _entry_of(subject: Subject, quota: Quota) -> Subject:
    """Return the entry that holds for ``subject``: its own, else that of ``"*"``."""
    kind = subject.kind
    own = Subject(kind, subject.name) if subject.gpu_type else subject
    if kind is SubjectKind.ALL or _is_named(own, quota):
        return own
    return Subject(kind, ANY_NAME)


def _is_named(subject: Subject, quota: Quota) -> bool:
    return subject.name in _limits(subject.kind, quota) or subject in quota.shares


def _limits(kind: SubjectKind, quota: Quota) -> Mapping[str, Limit]:
    if kind is SubjectKind.USER:
        return quota.users
    return quota.groups if kind is SubjectKind.GROUP else quota.namespaces


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
