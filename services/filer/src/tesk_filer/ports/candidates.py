"""The scheduler's record of a check: is what a candidate read and wrote still the same?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tesk_model.identities import FileIdentity
from tesk_model.task import Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task whose results may count for another one.

    Attributes:
        inputs: Of the other one, without content.
        files: That the candidate read and wrote.
    """

    inputs: Sequence[Input]
    files: Sequence[FileIdentity]


class CandidateRecord(Protocol):
    """The scheduler's record of this check.

    Calls are retried and raise as those of ``ports.transfers.Transfers``.
    """

    def candidate(self) -> Candidate | None:
        """Return the candidate; None if there is none any more."""

    def finish(self, difference: str) -> None:
        """Record the result; durable when it returns.

        Args:
            difference: The first that was found, or why none could be looked for; "" if
                everything is the same.
        """
