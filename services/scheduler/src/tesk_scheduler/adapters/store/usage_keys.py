"""Maps subjects to keys of the table of usage, and back.

The release before knows users, groups and all, and may still run beside this one.
It reads what it does not know (namespaces, GPUs of a type) as further names of
``all``, which it ignores.
"""

import json
from typing import NamedTuple

from tesk_scheduler.domain.quota import Subject, SubjectKind

_TOLD_LENGTH = 100


class UsageKey(NamedTuple):
    """The primary key of a row."""

    kind: str
    name: str

    @property
    def told(self) -> str:
        """As it is told to operators."""
        return f"{self.kind} {self.name}"[:_TOLD_LENGTH]


def usage_key(subject: Subject) -> UsageKey:
    """Return the key of a subject."""
    if subject.gpu_type or subject.kind is SubjectKind.NAMESPACE:
        return UsageKey(SubjectKind.ALL.value, json.dumps(subject))
    return UsageKey(subject.kind.value, subject.name)


def subject_of(kind: str, name: str) -> Subject | None:
    """Return the subject of a key; None: no subject of this release has it."""
    try:
        if name and kind == SubjectKind.ALL:
            return _further_subject(name)
        return Subject(SubjectKind(kind), name)
    except ValueError:
        return None


def _further_subject(text: str) -> Subject | None:
    match json.loads(text):
        case [str(kind), str(name), str(gpu_type)]:
            subject = Subject(SubjectKind(kind), name, gpu_type)
            # Another spelling would be counted for a subject that has its own row.
            return subject if usage_key(subject).name == text else None
        case _:
            return None
