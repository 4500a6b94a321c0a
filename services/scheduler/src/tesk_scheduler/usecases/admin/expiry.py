"""Deletes tasks whose retention time is over, when an operator wants it."""

from dataclasses import dataclass
from typing import NamedTuple

from tesk_scheduler.domain.occurrences import OperatorActed
from tesk_scheduler.usecases.admin.checks import check_operator
from tesk_scheduler.usecases.retention import Retention


class ExpiryResult(NamedTuple):
    """How many tasks were deleted, or would be; ``has_more``: not all yet."""

    tasks: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Runs the retention of the leader at once, by batches."""

    retention: Retention

    def run(self, operator: str, *, dry_run: bool) -> ExpiryResult:
        """Delete one batch; of a dry run, count all that would be deleted."""
        check_operator(operator)
        if dry_run:
            return ExpiryResult(self.retention.count(), has_more=False)
        acted = OperatorActed(
            operator=operator, action="retention run", target="finished tasks"
        )
        deleted = self.retention.delete_batch(acted)
        return ExpiryResult(deleted, has_more=deleted > 0)
