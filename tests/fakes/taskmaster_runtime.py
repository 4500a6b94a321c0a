"""A runtime in memory. What survives a taskmaster is in its ``RuntimeState``."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_taskmaster.domain.layouts import Layout, LayoutChoice
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import direction_of, uses_volume
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.domain.transfer_result import TransferResult, transfer_result
from tesk_taskmaster.ports import ReportReason, StepFailedError, Tails

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Step:
    """One step that was started."""

    result: StepResult | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    unread: str = ""


@dataclass(slots=True)
class RuntimeState:
    """What a machine has; the steps of all taskmasters.

    Executors understand ``true``, ``false``, ``echo WORD`` and ``sleep``, which
    ends when it is stopped or ``finish`` is called. Filers end with the next of
    ``filer_codes``, else 0; None hangs.
    """

    changed: threading.Condition = field(default_factory=threading.Condition)
    steps: dict[Attempt, dict[str, Step]] = field(default_factory=dict)
    started: list[tuple[Attempt, str]] = field(default_factory=list)
    filer_codes: list[int | None] = field(default_factory=list)
    failures: dict[str, StepFailedError] = field(default_factory=dict)
    results: dict[str, StepResult] = field(default_factory=dict)
    says: dict[str, Sequence[str]] = field(default_factory=dict)
    note_lines: list[str] = field(default_factory=list)
    occupied: set[str] = field(default_factory=set)
    inspected: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    inspected_ahead: list[Mapping[int, Sequence[str]]] = field(default_factory=list)
    prepared: list[Plan] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    layout: LayoutChoice | None = None
    release_failures: list[StepFailedError] = field(default_factory=list)
    stop_failures: list[Exception] = field(default_factory=list)

    def finish(self, attempt: Attempt, step: str, code: int = 0) -> None:
        """End a step that runs."""
        with self.changed:
            self.steps[attempt][step].result = ended(code)
            self.changed.notify_all()

    def print(self, attempt: Attempt, step: str, text: bytes) -> None:
        """Let a running executor print."""
        with self.changed:
            self.steps[attempt][step].stdout += text
            self.changed.notify_all()

    def wait_started(self, attempt: Attempt, step: str) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: step in self.steps.get(attempt, {}), 30
            ), f"{step} was not started"


def ended(code: int, digest: str = "") -> StepResult:
    return StepResult(exit_code=code, started_at=NOW, ended_at=NOW, image_digest=digest)


class FakeRuntime:
    """One taskmaster's hold on a ``RuntimeState``."""

    def __init__(self, state: RuntimeState) -> None:
        self.state = state
        self.released: list[Attempt] = []
        self.detached: list[Attempt] = []
        self.deferred: list[Attempt] = []

    def notices(self) -> Sequence[str]:
        return self.state.note_lines

    def prepare(
        self, plan: Plan, transfer_token: str, report_reason: ReportReason
    ) -> None:
        assert transfer_token
        for reason in self.state.says.get("prepare", ()):
            report_reason(Reason(ReasonCode.STEP_STARTING, reason))
        if "prepare" in self.state.failures:
            raise self.state.failures["prepare"]
        with self.state.changed:
            self.state.prepared.append(plan)
            self.state.steps.setdefault(plan.attempt, {})

    def begin_inspection(
        self,
        plan: Plan,
        directories: Mapping[int, Sequence[str]],
        report_reason: ReportReason,
    ) -> None:
        report_reason(NO_REASON)
        assert plan.attempt in self.state.steps, "it was not prepared"
        self.state.inspected_ahead.append({**directories})

    def inspect_image(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        for reason in self.state.says.get("inspect", ()):
            report_reason(Reason(ReasonCode.STEP_STARTING, reason))
        if "inspect" in self.state.failures:
            raise self.state.failures["inspect"]
        image = plan.executors[index].executor.image
        self.state.inspected.append((image, tuple(directories)))
        return [path for path in directories if path in self.state.occupied]

    def image_digest(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> str:
        del directories
        report_reason(NO_REASON)
        if "digest" in self.state.failures:
            raise self.state.failures["digest"]
        return self.state.digests.get(plan.executors[index].executor.image, "")

    def layout(self, plan: Plan) -> LayoutChoice | None:
        del plan
        return self.state.layout

    @property
    def _is_one_pod(self) -> bool:
        choice = self.state.layout
        return choice is not None and choice.layout is Layout.POD

    def needs_fitted_plan(self, attempt: Attempt) -> bool:
        with self.state.changed:
            started = self.state.steps[attempt]
            return self._is_one_pod and not any(map(uses_volume, started))

    def start(
        self,
        plan: Plan,
        step: str,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
    ) -> None:
        for reason in self.state.says.get(step, ()):
            report_reason(Reason(ReasonCode.STEP_STARTING, reason))
        if step in self.state.failures:
            raise self.state.failures[step]
        with self.state.changed:
            steps = self.state.steps[plan.attempt]
            if step in steps and (
                self._is_one_pod or not self._crashed(step, steps[step])
            ):
                return
            if has_started:
                raise StepFailedError(f"{step} lost: nothing is left of it", lost=True)
            self.state.started.append((plan.attempt, step))
            self.state.plans.append(plan)
            steps[step] = self._begin(plan, step)
            self.state.changed.notify_all()

    def _begin(self, plan: Plan, step: str) -> Step:
        if step in self.state.results:
            return Step(self.state.results[step])
        if direction_of(step):
            code = self.state.filer_codes.pop(0) if self.state.filer_codes else 0
            return Step(None if code is None else ended(code))
        command = plan.executors[int(step[1:])].executor.command
        image = plan.executors[int(step[1:])].executor.image
        digest = self.state.digests.get(image, "")
        if command[0] == "sleep":
            return Step()
        if command[0] == "echo":
            return Step(ended(0, digest), stdout=command[1].encode() + b"\n")
        return Step(ended({"true": 0, "false": 1}.get(command[0], 127), digest))

    @staticmethod
    def _crashed(step: str, known: Step) -> bool:
        if direction_of(step) is None or known.result is None:
            return False
        return transfer_result(known.result.exit_code) is TransferResult.CRASHED

    def wait(
        self, attempt: Attempt, step: str, timeout: timedelta
    ) -> StepResult | None:
        with self.state.changed:
            known = self.state.steps[attempt][step]
            printed = known.stdout
            # Prints count as time, so that tests need no clock to see them.
            self.state.changed.wait_for(
                lambda: known.result or known.stdout != printed,
                timeout.total_seconds(),
            )
            return known.result

    def conclude(self, attempt: Attempt, direction: str) -> None:
        with self.state.changed:
            for step, known in self.state.steps.get(attempt, {}).items():
                if direction_of(step) == direction:
                    known.result = known.result or ended(0)
            self.state.changed.notify_all()

    def tails(self, attempt: Attempt, step: str) -> Tails:
        with self.state.changed:
            known = self.state.steps[attempt][step]
            return Tails(known.stdout, known.stderr, known.unread)

    def stop(self, attempt: Attempt, step: str, grace: timedelta) -> None:
        del grace
        with self.state.changed:
            if self.state.stop_failures:
                raise self.state.stop_failures.pop(0)
            known = self.state.steps.get(attempt, {}).get(step)
            if known is not None and known.result is None:
                known.result = ended(143)
                self.state.changed.notify_all()

    def detach(self, attempt: Attempt) -> None:
        self.detached.append(attempt)

    def defer_removal(self, attempt: Attempt) -> None:
        with self.state.changed:
            self.state.steps.pop(attempt, None)
            self.deferred.append(attempt)
            self.state.changed.notify_all()

    def release(self, attempt: Attempt) -> None:
        with self.state.changed:
            if self.state.release_failures:
                raise self.state.release_failures.pop(0)
            self.state.steps.pop(attempt, None)
            self.released.append(attempt)
            self.state.changed.notify_all()

    def existing_steps(
        self,
        attempt: Attempt,
        report_reason: ReportReason,  # noqa: ARG002 - of the port
    ) -> Sequence[str]:
        with self.state.changed:
            return sorted(self.state.steps.get(attempt, {}))

    def has_objects(
        self,
        attempt: Attempt,
        report_reason: ReportReason,  # noqa: ARG002 - likewise
    ) -> bool:
        with self.state.changed:
            return attempt in self.state.steps
