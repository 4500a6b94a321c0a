"""What the call cache did for a task, for those who ask."""

from dataclasses import dataclass
from enum import StrEnum


class CacheResult(StrEnum):
    """What the call cache did for a task; see ``tesk.v1.CallCacheResult``."""

    OFF = "OFF"
    NO_KEY = "NO_KEY"
    PENDING = "PENDING"
    HIT = "HIT"
    NO_CANDIDATE = "NO_CANDIDATE"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class CallDifference:
    """A field in which a task differs from its nearest candidate.

    Attributes:
        field: As in ``inputs[/data/in.txt]``.
        value: Of the task; "" if it has none,
        candidate_value: and of the other one, likewise.
    """

    field: str
    value: str
    candidate_value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheExplanation:
    """Why a task has, or has not, the results of another.

    Attributes:
        result: In one word,
        explanation: and for people.
        candidate: The task that it was compared with; "" if there is none.
        differences: From that; the first of them.
        more_differences: How many there are beside those.
        reusable: Its own results may count for others.
        not_reusable: Why they do not; "" if it is not COMPLETE.
    """

    result: CacheResult
    explanation: str
    candidate: str = ""
    differences: tuple[CallDifference, ...] = ()
    more_differences: int = 0
    reusable: bool = False
    not_reusable: str = ""
