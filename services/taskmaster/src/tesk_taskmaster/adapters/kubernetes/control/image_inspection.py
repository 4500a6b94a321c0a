"""Inspects images by Jobs, each image once an hour.

The result of a Job depends only on the image and the task, so a successor that
finds the Job reads the same result.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from tesk_model.reasons import NO_REASON, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.attempt import AttemptSteps
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.shared_inspections import (
    SharedInspections,
    key_of,
)
from tesk_taskmaster.adapters.kubernetes.control.step import Step
from tesk_taskmaster.adapters.kubernetes.manifests.inspection_job import parse_occupied
from tesk_taskmaster.domain.step_names import inspection_step
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Clock, ReportReason, StepFailedError, failure_of

_MAX_CACHED = 10_000  # directories, of all images together
_MAX_TRIES = 4
_FRESH = timedelta(hours=1)  # a tag may move; then its image is inspected again


@dataclass(slots=True, kw_only=True)
class ImageInspector:
    """Inspects images and caches the results; thread-safe."""

    clock: Clock
    shared: SharedInspections
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[tuple[str, str], tuple[bool, float]] = field(default_factory=dict)

    def begin(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> None:
        """Begin to inspect the image of an executor.

        Not if the result is cached, or another attempt has begun the same.
        """
        if self._cached_result(attempt, index, directories) is None:
            self._begin(attempt, index, directories, report_reason)

    def inspect(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        """Return in which directories the image of an executor has files.

        Raises:
            StepFailedError: It cannot be inspected.
        """
        known = self._cached_result(attempt, index, directories)
        if known is None:
            known = self._shared_result(attempt, index, directories, report_reason)
        if known is None:
            _, known = self._inspected(attempt, index, directories, report_reason)
        return known

    def image_digest(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> str:
        """Return the digest of the image that an executor would get now.

        Never of another attempt's inspection, nor of an earlier one: a tag may move.

        Raises:
            StepFailedError: It cannot be inspected.
        """
        # Without any, the launcher would start a command.
        directories = directories or ("/",)
        result, _ = self._inspected(
            attempt, index, directories, report_reason, needs_answer=False
        )
        return result.image_digest

    def _shared_result(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str] | None:
        """Return the result of another attempt's inspection.

        Returns:
            None if this attempt is to inspect the image itself.
        """
        while not self._begin(attempt, index, directories, report_reason):
            report_reason(NO_REASON)
            shared = self.shared.of_another(attempt, index, directories)
            step = None if shared is None else shared.step(RETRY_INTERVAL)
            result = None if step is None else step.wait(RETRY_INTERVAL)
            if shared is not None and step is not None and result is not None:
                with shared.reading:
                    known = self._read(attempt, index, directories, step, result)
                if known is None:
                    self.shared.give_up(key_of(attempt, index, directories), shared)
                return known
            known = self._cached_result(attempt, index, directories)
            if known is not None:
                return known
        return None

    def _read(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        step: Step,
        result: StepResult,
    ) -> Collection[str] | None:
        """Return what another attempt's inspection has found; None if it failed."""
        known = self._cached_result(attempt, index, directories)
        if known is None and not (result.error or result.exit_code):
            known = parse_occupied(step.tails().stdout, directories)
            if known is not None:
                self._store(attempt, index, directories, known)
        return known

    def _begin(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> bool:
        """Begin an inspection, unless another attempt has; tell whether there is one."""
        name = inspection_step(index)
        if name in attempt.steps:
            return True
        with self.shared.beginning(attempt, index, directories) as is_first:
            if is_first:
                attempt.begin_step(name, report_reason, directories)
        return is_first

    def _inspected(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
        *,
        needs_answer: bool = True,
    ) -> tuple[StepResult, Collection[str]]:
        """Run an inspection of this attempt, or adopt it, to its success.

        Returns:
            Its result, and what it has found; nothing if that is not needed or read.
        """
        run = partial(
            self._run,
            attempt,
            index,
            directories,
            report_reason,
            needs_answer=needs_answer,
        )
        result, occupied = run(again=False)
        tries = 1
        while result.lost and tries < _MAX_TRIES:  # with its pod, nothing else is lost
            result, occupied = run(again=True)
            tries += 1
        if result.error:
            raise failure_of(result)
        if result.exit_code:
            raise StepFailedError(
                f"executors[{index}]: its image cannot be inspected: "
                f"{result.notice or result.exit_code}"
            )
        return result, occupied

    def _run(
        self,
        attempt: AttemptSteps,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
        *,
        needs_answer: bool,
        again: bool,
    ) -> tuple[StepResult, Collection[str]]:
        """Run an inspection once; it is lost if its answer is needed and cannot be read."""
        step = attempt.start(
            inspection_step(index), report_reason, directories=directories, again=again
        )
        while (result := step.wait(RETRY_INTERVAL)) is None:
            report_reason(NO_REASON)
        if result.error or result.exit_code:
            return result, ()
        occupied = parse_occupied(step.tails().stdout, directories)
        if occupied is not None:
            self._store(attempt, index, directories, occupied)
        elif needs_answer:
            text = (
                f"executors[{index}]: the result of inspecting its image was not read"
            )
            result = replace(
                result, error=text, code=ReasonCode.STEP_VANISHED, lost=True
            )
        return result, occupied or ()

    def _cached_result(
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

    def _store(
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
            if len(self._known) > _MAX_CACHED:
                self._known.clear()
            self._known |= {(image, path): (path in has, now) for path in directories}
