"""The ports of a taskmaster: clock, scheduler, runtime, engine."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from tesk_model.events import EventVerdict, TaskEvent
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import Orders
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.layouts import LayoutChoice
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.termination import StepResult

ReportReason = Callable[[Reason], None]
"""Reports to the user what an attempt waits for; the last reason stays.

It may raise, when the attempt is to stop: let that pass. NO_REASON reports
nothing and only finds out whether to stop.
"""


@dataclass(frozen=True, slots=True)
class Tails:
    """The last 64 KiB of each stream of an executor, so far.

    Attributes:
        unread: Why not all of it could be read; "" if nothing is missing.
    """

    stdout: bytes
    stderr: bytes
    unread: str = ""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""


class Scheduler(Protocol):
    """The scheduler, for one taskmaster."""

    def sync(
        self, held: Sequence[Attempt], *, slots: int, wait: timedelta, within: timedelta
    ) -> Orders:
        """Report which attempts are held, and get orders.

        Args:
            held: Attempts worked on or still to be cleaned up after.
            slots: How many can be held at once; 0 while draining.
            wait: How long the scheduler may wait for an order.
            within: Give up after this long.

        Raises:
            UnavailableError: No answer; try again.
        """

    def report(self, events: Sequence[TaskEvent]) -> Sequence[EventVerdict]:
        """Report events, in order within each attempt; durable on return.

        Returns:
            A verdict for each event, in order.

        Raises:
            UnavailableError: Perhaps not recorded; report again.
            InvalidRequestError: An event is malformed; none is recorded.
        """


class Runtime(Protocol):
    """Runs steps. All calls are idempotent: what exists is adopted.

    Steps are named ``check``, ``in``, ``x0``, ``x1``, …, ``out``, and ``out-1``, ``out-2``, …
    if the upload is tried again (``tesk_model.upload_retries``). A runtime keeps no
    state that it could not find again after a crash. One attempt is used by one
    thread; only ``stop`` and ``conclude`` may be called from another.
    """

    def notices(self) -> Sequence[str]:
        """Return lines for the ``system_logs`` of every attempt it runs."""

    def prepare(
        self, plan: Plan, transfer_token: str, report_reason: ReportReason
    ) -> None:
        """Make or adopt the volume and all else that the steps share.

        Raises:
            StepFailedError: It cannot be made.
        """

    def layout(self, plan: Plan) -> LayoutChoice | None:
        """Return how the steps of a prepared attempt lie; None if nothing is chosen.

        If they lie in one pod, all start with the first, and none is ever started
        again: what dies loses the attempt.
        """

    def needs_fitted_plan(self, attempt: Attempt) -> bool:
        """Tell whether the first step of a prepared attempt starts all others.

        Then its plan must have the mounts of all that fit their images. False if
        they have been started already.
        """

    def start(
        self,
        plan: Plan,
        step: str,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
    ) -> None:
        """Start a step; adopt it if it runs or has ended already.

        A filer that died without a result (``domain.transfer_result``) is started
        again, unless the steps lie in one pod. Returns as soon as the step can be
        waited for. A step is started when ``wait`` has told the ends of those before
        it: one in a pod whose predecessor runs has been taken back by the cluster.

        Args:
            plan: Of its attempt.
            step: Its name.
            report_reason: Called with what it waits for.
            has_started: The scheduler knows that this executor started. If nothing
                is left of it, it is lost and not started again: its command
                would run twice on the same volume.

        Raises:
            StepFailedError: It cannot be started.
        """

    def begin_inspection(
        self,
        plan: Plan,
        directories: Mapping[int, Sequence[str]],
        report_reason: ReportReason,
    ) -> None:
        """Begin the work of ``inspect_image``, if that takes long.

        ``directories`` are by the index of an executor. Raises as that.
        """

    def inspect_image(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        """Return in which of ``directories`` the image of an executor has files.

        Args:
            plan: A prepared one.
            index: Of the executor.
            directories: Absolute and normalized.
            report_reason: Called with what it waits for.

        Raises:
            StepFailedError: The image cannot be pulled or inspected.
        """

    def image_digest(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> str:
        """Return which image an executor would get now; see ``StepResult``.

        "" if that is not known, as where images are not used. Args and errors as of
        ``inspect_image``, whose result is known then as well.
        """

    def wait(
        self, attempt: Attempt, step: str, timeout: timedelta
    ) -> StepResult | None:
        """Wait for a started step to end; None if it has not within ``timeout``."""

    def conclude(self, attempt: Attempt, direction: str) -> None:
        """Take a transfer for ended with success, as the scheduler knows it to be.

        ``wait`` for its step returns that, whatever its filer does now. A hint: a
        runtime that sees ends at once ignores it.

        Args:
            attempt: Whose; it need not be known here any more.
            direction: ``inputs`` or ``outputs``.
        """

    def tails(self, attempt: Attempt, step: str) -> Tails:
        """Return what an executor has printed last, also after its end."""

    def stop(self, attempt: Attempt, step: str, grace: timedelta) -> None:
        """Stop a step: SIGTERM, after ``grace`` SIGKILL; return when it has ended.

        ``wait`` returns its result afterwards. A step that was never started, or
        has ended, is left alone.
        """

    def detach(self, attempt: Attempt) -> None:
        """Forget the attempt and touch nothing of it: a successor may adopt it."""

    def release(self, attempt: Attempt) -> None:
        """Remove everything of the attempt, running or not; return when gone.

        Raises:
            LeftoversError: Nothing of it runs, but not all can be removed.
            StepFailedError: Something of it may still run.
        """

    def defer_removal(self, attempt: Attempt) -> None:
        """Forget an attempt whose files cannot all be removed.

        The runtime keeps them apart and tries to remove them later.
        """

    def existing_steps(
        self, attempt: Attempt, report_reason: ReportReason
    ) -> Sequence[str]:
        """List the steps of a prepared attempt of which something is left.

        Args:
            attempt: That is prepared.
            report_reason: Called with what it waits for.

        Raises:
            StepFailedError: It cannot be found out.
        """

    def has_objects(self, attempt: Attempt, report_reason: ReportReason) -> bool:
        """Tell whether something of an attempt is left in this runtime.

        Args:
            attempt: That need not be prepared.
            report_reason: Called with what it waits for.

        Raises:
            StepFailedError: It cannot be found out.
        """


class StepFailedError(Exception):
    """A step cannot be prepared or started, through no fault of the command.

    Attributes:
        code: Of the cause.
        lost: Another try may succeed.
        volume_lost: With ``lost``: the results of earlier steps are lost, so
            that only a new attempt may succeed.
    """

    def __init__(
        self,
        message: str,
        *,
        code: ReasonCode = ReasonCode.NONE,
        lost: bool = False,
        volume_lost: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.lost = lost
        self.volume_lost = volume_lost

    @property
    def reason(self) -> Reason:
        """The cause, for programs and for people."""
        return Reason(self.code, str(self))


def failure_of(result: StepResult) -> StepFailedError:
    """Return the error of a step that ended before it ran."""
    return StepFailedError(result.error, code=result.code, lost=result.lost)


class LeftoversError(StepFailedError):
    """All of an attempt has ended, but not all its files can be removed."""


class Engine(Protocol):
    """Runs executors on this machine: containers, or a sandbox.

    All calls are idempotent and find a run again by name and folder, also after
    the process that started it was killed.
    """

    def notices(self) -> Sequence[str]:
        """Return lines for the ``system_logs`` of what runs here."""

    def start(
        self,
        run: ExecutorRun,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
    ) -> None:
        """Start, or adopt; see ``Runtime.start``."""

    def wait(self, run: ExecutorRun, timeout: timedelta) -> StepResult | None:
        """See ``Runtime.wait``; collects ``run.step.collect`` before it returns."""

    def occupied_directories(
        self,
        attempt: Attempt,
        image: str,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        """Return in which directories an image has files; ``Runtime.inspect_image``."""

    def image_digest(self, image: str, report_reason: ReportReason) -> str:
        """Return which image is meant now; see ``Runtime.image_digest``."""

    def tails(self, run: ExecutorRun) -> Tails:
        """See ``Runtime.tails``."""

    def stop(self, run: ExecutorRun, grace: timedelta) -> None:
        """See ``Runtime.stop``."""

    def remove(self, attempt: Attempt) -> None:
        """Kill and remove every run of the attempt, also ones not known here."""

    def attempts(self) -> Sequence[Attempt]:
        """List the attempts of which the engine itself has something."""

    def delete_folder(self, folder: Path) -> None:
        """Delete a folder in which executors wrote, whoever owns the files.

        Raises:
            OSError: It cannot be deleted.
            StepFailedError: Likewise, or the engine is needed for it and is down.
        """
