"""What the scheduler orders a taskmaster to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tesk_model.attempt_parameters import NO_EXIT_CODES, ExitCodes
from tesk_model.names import Attempt
from tesk_model.reasons import ReasonCode
from tesk_model.task import Task, TaskId


class StopReason(StrEnum):
    """Why an attempt is to be stopped.

    CANCELED: delete what runs, then report it. REASSIGNED: another taskmaster
    has it, or it is over: touch nothing, forget it.
    """

    CANCELED = "CANCELED"
    REASSIGNED = "REASSIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedFailures:
    """Failures of an executor after which the scheduler queues another attempt.

    Attributes:
        exit_codes: Whatever the cause is.
        out_of_memory: When it ran out of memory, whatever its code is.
    """

    exit_codes: ExitCodes = NO_EXIT_CODES
    out_of_memory: bool = False

    def has(self, exit_code: int, cause: ReasonCode) -> bool:
        """Tell whether another attempt follows."""
        is_short = self.out_of_memory and cause is ReasonCode.OUT_OF_MEMORY
        return is_short or self.exit_codes.has(exit_code)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self.out_of_memory or bool(self.exit_codes)


NOTHING_REPEATED = RepeatedFailures()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task whose results may count for an attempt.

    Attributes:
        image_digests: Of the images of its executors, in their order.
        files_equal: All that it read and wrote is as it was: a check has found that.
    """

    task_id: TaskId
    image_digests: tuple[str, ...]
    files_equal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One attempt to run.

    Attributes:
        transfer_token: For the attempt's filers; a secret.
        last_sequence: Of the last event the scheduler has of it; 0 = none.
        release_only: It is over; only delete what is left of it.
        finished_executors: Exit codes of executors that ended, by index.
        inputs_finished: The filer has reported that all inputs arrived.
        outputs_finished: Likewise for outputs.
        started_executors: Indexes of executors that started in this attempt,
            ended or not, as far as the scheduler knows.
        began: When the attempt began; None if unknown.
        groups: All of the owner's, in the order that the identity gives them.
        held_up_since: Since when the last step has failed, as its taskmasters
            reported; None if they did not.
        repeated: Failures of which no outputs are uploaded.
        candidate: None if there is none, or if it does not count.
    """

    attempt: Attempt
    task: Task
    transfer_token: str = field(repr=False)
    last_sequence: int = 0
    release_only: bool = False
    finished_executors: Mapping[int, int] = field(default_factory=dict)
    inputs_finished: bool = False
    outputs_finished: bool = False
    started_executors: frozenset[int] = frozenset()
    began: datetime | None = None
    held_up_since: datetime | None = None
    groups: tuple[str, ...] = ()
    repeated: RepeatedFailures = NOTHING_REPEATED
    candidate: Candidate | None = None

    @property
    def waiting_since(self) -> datetime | None:
        """Since when a predecessor may have waited; None if there was none."""
        return self.began if self.last_sequence else None

    @property
    def has_results(self) -> bool:
        """Tell whether steps have ended whose results others need."""
        return self.inputs_finished or bool(self.finished_executors)


@dataclass(frozen=True, slots=True)
class Stop:
    """One held attempt to stop."""

    attempt: Attempt
    reason: StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The answer of the scheduler to a Sync.

    Attributes:
        lease: How long, from the moment of asking, the taskmaster may act on
            what it holds.
        exit: Nothing is assigned and nothing will be; exit.
        inputs_finished: Held attempts whose inputs have just arrived.
        outputs_finished: Likewise, whose outputs were uploaded.
    """

    run: tuple[Assignment, ...] = ()
    stop: tuple[Stop, ...] = ()
    lease: timedelta
    exit: bool = False
    inputs_finished: tuple[Attempt, ...] = ()
    outputs_finished: tuple[Attempt, ...] = ()
