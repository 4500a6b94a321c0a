"""Inspects images, so that no mount hides their files.

The plan of an attempt is made without that; before an executor starts, its image
is inspected and its step planned again. A successor inspects it again, and the
same image gives the same result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import directories_to_inspect, plan_task
from tesk_taskmaster.ports import Runtime
from tesk_taskmaster.usecases.attempt_reporter import AttemptReporter

_MAX_AHEAD: Final = 2  # images of one task: on a cluster, each takes a pod


@dataclass(slots=True, kw_only=True)
class ImageInspector:
    """Inspects the images of one attempt, each once."""

    assignment: Assignment
    runtime: Runtime
    attempt_reporter: AttemptReporter
    _directories: Mapping[str, Sequence[str]] = field(init=False)
    _occupied: dict[str, frozenset[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Find out which directories are to be inspected.

        Raises:
            PlanError: The task cannot be planned.
        """
        self._directories = directories_to_inspect(self.assignment.task)

    def begin(self, plan: Plan) -> None:
        """Begin to inspect the first images, while the inputs arrive.

        Raises:
            StepFailedError: An image cannot be inspected.
        """
        first: dict[str, int] = {}
        for step in plan.executors:
            if len(first) == _MAX_AHEAD:
                break
            if self._needs_inspection(step.index, step.executor.image):
                first.setdefault(step.executor.image, step.index)
        if first:
            wanted = {index: self._directories[image] for image, index in first.items()}
            self.runtime.begin_inspection(
                plan, wanted, self.attempt_reporter.report_reason
            )

    def fit_all_mounts(self, plan: Plan) -> Plan:
        """Return the plan with such mounts of all executors.

        Raises:
            StepFailedError: As ``fit_mounts``.
        """
        for step in plan.executors:
            plan = self.fit_mounts(plan, step.index)
        return plan

    def fit_mounts(self, plan: Plan, index: int) -> Plan:
        """Return the plan with mounts that hide no files of an executor's image.

        Raises:
            StepFailedError: The image cannot be inspected.
        """
        image = plan.executors[index].executor.image
        if not self._needs_inspection(index, image):
            return plan
        if image not in self._occupied:
            self._occupied[image] = frozenset(
                self.runtime.inspect_image(
                    plan,
                    index,
                    self._directories[image],
                    self.attempt_reporter.report_reason,
                )
            )
        fitted = plan_task(self.assignment.task, plan.attempt, self._occupied)
        return replace(plan, executors=fitted.executors)

    def _needs_inspection(self, index: int, image: str) -> bool:
        """Tell whether the result matters: what has started has its mounts."""
        over = self.assignment.finished_executors
        begun = index in over or index in self.assignment.started_executors
        return image in self._directories and not begun
