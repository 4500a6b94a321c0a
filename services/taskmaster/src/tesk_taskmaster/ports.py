"""What a taskmaster needs of the outside world."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from tesk_model.events import EventVerdict, TaskEvent
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import Orders
from tesk_taskmaster.domain.plan import ExecutorStep, Plan
from tesk_taskmaster.domain.termination import StepResult

Say = Callable[[Reason], None]
"""Tells the user what an attempt waits for; the last word stands.

It may raise (the attempt is to stop while an image is pulled): let that pass.
Who has nothing to tell yet says NO_REASON, to learn just that.
"""


@dataclass(frozen=True, slots=True)
class Tails:
    """The last 64 KiB of each stream of an executor, so far.

    Attributes:
        unread: Why not all of it could be read; "" if nothing is missing. Nothing
            printed and nothing readable are not the same.
    """

    stdout: bytes
    stderr: bytes
    unread: str = ""


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""


class Scheduler(Protocol):
    """The scheduler, as one taskmaster sees it."""

    def sync(
        self, held: Sequence[Attempt], *, slots: int, wait: timedelta, within: timedelta
    ) -> Orders:
        """Say what is held and ask for orders.

        Args:
            held: Attempts worked on or still to be cleaned up after.
            slots: How many can be held at once; 0 while draining.
            wait: How long the scheduler may wait for something to say.
            within: Give up after this long.

        Raises:
            UnavailableError: No answer; ask again.
        """

    def report(self, events: Sequence[TaskEvent]) -> Sequence[EventVerdict]:
        """Tell events, in order within each attempt; durable on return.

        Returns:
            A verdict for each event, in order.

        Raises:
            UnavailableError: Perhaps not recorded; tell again.
            InvalidRequestError: An event is malformed; none is recorded.
        """


class Runtime(Protocol):
    """Where steps run. All calls are idempotent: what exists is adopted.

    Steps are named ``in``, ``x0``, ``x1``, …, ``out``, and ``out-1``, ``out-2``, …
    if outputs are tried again (``domain.transfers``). A runtime keeps no
    state of its own that it could not find again after a crash. One attempt is
    worked on by one thread; ``stop`` alone may be called from another.
    """

    def notes(self) -> Sequence[str]:
        """Return lines for the ``system_logs`` of every attempt it runs."""

    def prepare(self, plan: Plan, transfer_token: str, say: Say) -> None:
        """Make or adopt the volume and what else the steps share.

        Raises:
            StepFailedError: It cannot be made.
        """

    def start(
        self, plan: Plan, step: str, say: Say, *, has_started: bool = False
    ) -> None:
        """Start a step; adopt it if it runs or has ended already.

        A filer that died without a verdict (``domain.verdicts``) is not
        adopted but started again. Returns as soon as the step is under way or
        can be waited for.

        Args:
            plan: Of its attempt.
            step: Its name.
            say: Hears what it waits for.
            has_started: The scheduler was told that this executor started. If
                nothing is left of it, it is lost, and never started again: its
                command would run twice on the same volume.

        Raises:
            StepFailedError: It cannot be started.
        """

    def look_ahead(
        self, plan: Plan, questions: Mapping[int, Sequence[str]], say: Say
    ) -> None:
        """Begin to find out what ``look_into`` will be asked, if that takes long.

        ``questions`` has directories by the index of an executor. Raises as that.
        """

    def look_into(
        self, plan: Plan, index: int, directories: Sequence[str], say: Say
    ) -> Collection[str]:
        """Return in which of ``directories`` the image of an executor has anything.

        Args:
            plan: It was prepared.
            index: Of the executor.
            directories: Absolute and normalized.
            say: Hears what it waits for.

        Raises:
            StepFailedError: The image cannot be had, or not be looked into.
        """

    def wait(
        self, attempt: Attempt, step: str, timeout: timedelta
    ) -> StepResult | None:
        """Wait for a started step to end; None if it has not within ``timeout``."""

    def tails(self, attempt: Attempt, step: str) -> Tails:
        """Return what an executor has printed last, also after its end."""

    def stop(self, attempt: Attempt, step: str, grace: timedelta) -> None:
        """End a step: SIGTERM, after ``grace`` SIGKILL; return when it is gone.

        Its result can be read by ``wait`` afterwards. A step that was never
        started, or has ended, is left alone.
        """

    def let_go(self, attempt: Attempt) -> None:
        """Forget the attempt and touch nothing of it: another may adopt it."""

    def release(self, attempt: Attempt) -> None:
        """Remove everything of the attempt, running or not; return when gone.

        Raises:
            RemainsError: Nothing of it runs, but not all can be removed.
            StepFailedError: Perhaps something of it runs still.
        """

    def set_aside(self, attempt: Attempt) -> None:
        """Forget an attempt of which something remains that cannot be removed.

        It is of no attempt any more; the runtime tries to remove it later, and
        rarely.
        """

    def begun(self, attempt: Attempt) -> Sequence[str]:
        """List the steps of a prepared attempt of which something is left.

        Raises:
            StepFailedError: It cannot be found out.
        """

    def attempts(self) -> Sequence[Attempt]:
        """List the attempts of which something is left in this runtime."""


class StepFailedError(Exception):
    """A step cannot be prepared or started, through no fault of the command.

    Attributes:
        code: Of the cause.
        lost: Another try may succeed.
        gone: With ``lost``: what earlier steps made is lost, so that only a new
            attempt may succeed.
    """

    def __init__(
        self,
        message: str,
        *,
        code: ReasonCode = ReasonCode.NONE,
        lost: bool = False,
        gone: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.lost = lost
        self.gone = gone

    @property
    def reason(self) -> Reason:
        """The cause, for programs and for people."""
        return Reason(self.code, str(self))


def failure_of(result: StepResult) -> StepFailedError:
    """Return the error of a step that ended before it ran."""
    return StepFailedError(result.error, code=result.code, lost=result.lost)


class RemainsError(StepFailedError):
    """All of an attempt has ended, but not all that it left can be removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMount:
    """A path of this machine that an executor sees."""

    source: Path
    target: str
    is_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorRun:
    """One executor as an engine of the local runtime runs it.

    Attributes:
        name: ``tesk-<task id>-a<attempt>-x<index>``; unique, deterministic.
        folder: A folder of this run alone, for the engine's own files; not
            visible to the executor.
        volume: Folder of the task volume, the target of ``step.collect``.
        ram: Bytes.
        outputs: See ``Plan.outputs``; for an engine whose executors may run by
            another uid than the filer.
    """

    name: str
    attempt: Attempt
    step: ExecutorStep
    mounts: tuple[HostMount, ...]
    folder: Path
    volume: Path
    cpu_cores: float
    ram: int
    outputs: tuple[str, ...] = ()


class Engine(Protocol):
    """Runs executors on this machine: containers, or a sandbox.

    All calls are idempotent and find their run again by name and folder after
    the process that started it was killed.
    """

    def notes(self) -> Sequence[str]:
        """Return lines for the ``system_logs`` of what runs here."""

    def start(self, run: ExecutorRun, say: Say, *, has_started: bool = False) -> None:
        """Start, or adopt; see ``Runtime.start``."""

    def wait(self, run: ExecutorRun, timeout: timedelta) -> StepResult | None:
        """See ``Runtime.wait``; collects ``run.step.collect`` before it returns."""

    def occupied(
        self, attempt: Attempt, image: str, directories: Sequence[str], say: Say
    ) -> Collection[str]:
        """Return in which directories an image has anything; ``Runtime.look_into``."""

    def tails(self, run: ExecutorRun) -> Tails:
        """See ``Runtime.tails``."""

    def stop(self, run: ExecutorRun, grace: timedelta) -> None:
        """See ``Runtime.stop``."""

    def remove(self, attempt: Attempt) -> None:
        """Kill and remove every run of the attempt, also ones not known here."""

    def attempts(self) -> Sequence[Attempt]:
        """List the attempts of which the engine itself holds something."""

    def clean(self, folder: Path) -> None:
        """Delete a folder in which executors wrote, whoever owns what is in it.

        Raises:
            OSError: It cannot be deleted.
            StepFailedError: Likewise, or the engine's help is needed and it is
                down.
        """
