"""Joins the rules for attempts that are in force: retries, times, and what one may take."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.deadlines import NO_TIME_LIMITS, TimeLimits
from tesk_scheduler.domain.memory_raise import raised_demand
from tesk_scheduler.domain.quota import NO_LIMIT, Demand, Limit
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.retry_policy import Retry, RetryPolicy

_FAILED = Reason(ReasonCode.EXECUTOR_FAILED)
_OUT_OF_MEMORY = Reason(ReasonCode.OUT_OF_MEMORY)


def _unlimited(record: TaskRecord) -> Limit:  # noqa: ARG001 - any task
    return NO_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRules:
    """The rules of an installation.

    Attributes:
        retries: Whether and when another attempt follows.
        times: How long tasks may wait and attempts may run.
        most_of: Returns the most that one task may take.
    """

    retries: RetryPolicy = field(default_factory=RetryPolicy)
    times: TimeLimits = NO_TIME_LIMITS
    most_of: Callable[[TaskRecord], Limit] = field(default=_unlimited)

    def wants_retry(self, record: TaskRecord, code: ReasonCode) -> bool:
        """Tell whether a task asks for another attempt after its executor failed.

        An attempt that is being stopped is not repeated.
        """
        if record.stop.code:
            return False
        exit_code = record.last_exit_code
        if exit_code and record.parameters.retry_on_exit_codes.has(exit_code):
            return True
        return code is ReasonCode.OUT_OF_MEMORY and self._raised(record) is not None

    def next_demand(self, record: TaskRecord, code: ReasonCode) -> Demand:
        """Return what the next attempt takes, after this one ended for ``code``."""
        if code is not ReasonCode.OUT_OF_MEMORY:
            return record.demand
        return self._raised(record) or record.demand

    def repeated_failures(self, record: TaskRecord) -> "RepeatedFailures":
        """Return after which failures of the present attempt another one follows."""
        asked = str(record.parameters.retry_on_exit_codes)
        return RepeatedFailures(
            exit_codes=asked if self._follows(record, _FAILED) else "",
            out_of_memory=self._raised(record) is not None
            and self._follows(record, _OUT_OF_MEMORY),
        )

    def _follows(self, record: TaskRecord, reason: Reason) -> bool:
        return isinstance(self.retries.decide(record, reason), Retry)

    def _raised(self, record: TaskRecord) -> Demand | None:
        return raised_demand(record, self.most_of(record))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedFailures:
    """Failures of an executor after which another attempt follows.

    Attributes:
        exit_codes: As ``parse_exit_codes`` reads them.
        out_of_memory: So it is when the executor runs out of memory.
    """

    exit_codes: str = ""
    out_of_memory: bool = False
