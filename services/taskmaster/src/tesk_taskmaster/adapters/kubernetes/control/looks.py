"""Looks into images by Jobs, each image once while this taskmaster lives.

A Job's answer is a function of the image and of the task, so whoever takes the
attempt over and finds the Job reads the same answer.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_model.reasons import NO_REASON, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.attempt import AttemptSteps
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.step import Step
from tesk_taskmaster.adapters.kubernetes.manifests.look_job import parse_answer
from tesk_taskmaster.domain.step_names import inspection_step
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Clock, ReportReason, StepFailedError, failure_of

_MOST_KEPT = 10_000  # directories, of all images together
_TRIES = 4
_FRESH = timedelta(hours=1)  # a tag may move; then its image is looked into again


@dataclass(slots=True, kw_only=True)
class ImageInspector:
    """What is known of images, and how to know more; thread-safe."""

    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[tuple[str, str], tuple[bool, float]] = field(default_factory=dict)

    def begin(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> None:
        """Begin to look into the image of an executor, unless it is known."""
        if self._recall(attempt, index, directories) is None:
            attempt.begin(inspection_step(index), report_reason, directories)

    def look(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        """Return in which directories the image of an executor has anything.

        Raises:
            StepFailedError: It cannot be looked into.
        """
        known = self._recall(attempt, index, directories)
        if known is None:
            known = self._ask(attempt, index, directories, report_reason)
            self._learn(attempt, index, directories, known)
        return known

    def _ask(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        step, result = self._run(attempt, index, directories, report_reason)
        tries = 1
        while result.lost and tries < _TRIES:  # nothing else is lost with its pod
            step, result = self._run(attempt, index, directories, report_reason)
            tries += 1
        if result.error:
            raise failure_of(result)
        if result.exit_code:
            raise StepFailedError(
                f"executors[{index}]: its image cannot be inspected: "
                f"{result.note or result.exit_code}"
            )
        answer = parse_answer(step.tails().stdout, directories)
        if answer is None:
            raise StepFailedError(
                f"executors[{index}]: what its image has was not read",
                code=ReasonCode.STEP_VANISHED,
                lost=True,
            )
        return answer

    @staticmethod
    def _run(
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> tuple[Step, StepResult]:
        step = attempt.start(
            inspection_step(index), report_reason, directories=directories
        )
        while (result := step.wait(RETRY_INTERVAL)) is None:
            report_reason(NO_REASON)
        return step, result

    def _recall(
        self, attempt: AttemptSteps, index: int, directories: Sequence[str]
    ) -> Collection[str] | None:
        image = attempt.plan.executors[index].executor.image
        oldest = self.clock.monotonic() - _FRESH.total_seconds()
        with self._lock:
            known = [self._known.get((image, path)) for path in directories]
        if any(answer is None or answer[1] < oldest for answer in known):
            return None
        answers = zip(directories, known, strict=True)
        return [path for path, answer in answers if answer and answer[0]]

    def _learn(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        occupied: Collection[str],
    ) -> None:
        image = attempt.plan.executors[index].executor.image
        now = self.clock.monotonic()
        has = frozenset(occupied)
        with self._lock:
            if len(self._known) > _MOST_KEPT:
                self._known.clear()
            self._known |= {(image, path): (path in has, now) for path in directories}
