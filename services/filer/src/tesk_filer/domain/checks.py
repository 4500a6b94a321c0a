"""What is known of an input or output before a task runs."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Result of one check."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is known of one input or output.

    Attributes:
        field: As TES writes it: ``inputs[0]``.
        path: In the container.
        url: Without credentials; "" for content.
        message: What was done and found, for people.
    """

    field: str
    path: str
    url: str
    verdict: Verdict
    message: str
