"""Defines what the call cache knows of a task: its call, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tesk_model.task import TaskId
from tesk_scheduler.domain.bounds import NOTHING_RETAINED, Retained


class CacheScope(StrEnum):
    """Whose results count for a task: nobody's, its owner's, or its group's."""

    NONE = "none"  # not ``off``, which YAML reads as false
    OWNER = "owner"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDescription:
    """What a document says about a call.

    Attributes:
        fields: By path, as people write it; equal for equal calls.
        input_urls: Of the inputs that are not in the document itself.
        outputs: Number of them.
    """

    fields: Mapping[str, str]
    input_urls: Sequence[str]
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """The call of a new task.

    Attributes:
        scope: Tasks of which may have its results.
        key: Equal for equal calls; "" if there is none.
        problem: Why there is none.
    """

    scope: str
    key: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """What is stored of a task's call.

    Attributes:
        seq: Of the task.
        scope: See ``NewCall``,
        key: likewise.
        problem: Why it has no key, or why its latest attempt cannot be reused.
        inputs_identified: Each of its inputs was given an identity, or has none.
        outputs_identified: The same of its outputs.
        identities: That are stored of the latest attempt.
        reusable: It is COMPLETE, and its results may count for others.
        candidate: Of the latest attempt: the task whose results may count.
        difference: Why those do not count; "" if all files are as they were, None if
            that was not checked.
        hit: The results of the candidate count.
    """

    seq: int
    scope: str
    key: str
    problem: str = ""
    inputs_identified: bool = False
    outputs_identified: bool = False
    identities: Retained = NOTHING_RETAINED
    reusable: bool = False
    candidate: TaskId | None = None
    difference: str | None = None
    hit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCandidate:
    """A task whose results may count for an attempt; see ``tesk.v1.Candidate``."""

    task_id: TaskId
    image_digests: tuple[str, ...]
    files_equal: bool
