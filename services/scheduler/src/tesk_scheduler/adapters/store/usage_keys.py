"""Maps subjects to keys of the table of usage, and back.

The release before knows users, groups and all, and may still run beside this one.
It reads what it does not know (namespaces, GPUs of a type) as further names of
``all``, which it ignores.
"""

import json
from typing import NamedTuple

from tesk_scheduler.domain.quota import Subject, SubjectKind


class UsageKey(NamedTuple):
    """The primary key of a row."""

    kind: str
    name: str


def usage_key(subject: Subject) -> UsageKey:
    """Return the key of a subject."""
    if subject.gpu_type or subject.kind is SubjectKind.NAMESPACE:
        return UsageKey(SubjectKind.ALL.value, json.dumps(subject))
    return UsageKey(subject.kind.value, subject.name)


def subject_of(kind: str, name: str) -> Subject:
    """Return the subject of a key."""
    if name and kind == SubjectKind.ALL:
        kind, name, gpu_type = json.loads(name)
        return Subject(SubjectKind(kind), name, gpu_type)
    return Subject(SubjectKind(kind), name)
