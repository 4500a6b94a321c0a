"""A scheduler's record of one check, in memory."""

from dataclasses import dataclass, field

from tesk_filer.ports.candidates import Candidate
from tesk_model.errors import TeskError


@dataclass
class MemoryCandidates:
    """Satisfies ``tesk_filer.ports.candidates.CandidateRecord``.

    Attributes:
        given: None: it is gone.
        error: Raised by ``finish``.
    """

    given: Candidate | None
    differences: list[str] = field(default_factory=list)
    error: TeskError | None = None

    def candidate(self) -> Candidate | None:
        return self.given

    def finish(self, difference: str) -> None:
        if self.error is not None:
            raise self.error
        self.differences.append(difference)
