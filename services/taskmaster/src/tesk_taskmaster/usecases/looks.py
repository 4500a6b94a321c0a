"""Looks into images, so that no mount hides what they have.

The plan of an attempt is made without them; before an executor starts, its image
is asked and its step planned again. Whoever takes the attempt over asks again,
and the same image gives the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import image_questions, plan_task
from tesk_taskmaster.ports import Runtime
from tesk_taskmaster.usecases.account import Account

_MOST_AHEAD: Final = 2  # images of one task: on a cluster, each look takes a pod


@dataclass(slots=True, kw_only=True)
class ImageLooks:
    """What is known of the images of one attempt."""

    assignment: Assignment
    runtime: Runtime
    account: Account
    _questions: Mapping[str, Sequence[str]] = field(init=False)
    _occupied: dict[str, frozenset[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Find out what is to be asked.

        Raises:
            PlanError: The task cannot be laid out.
        """
        self._questions = image_questions(self.assignment.task)

    def begin(self, plan: Plan) -> None:
        """Let the runtime begin with the first images, while the inputs arrive.

        Raises:
            StepFailedError: An image cannot be looked into.
        """
        first: dict[str, int] = {}
        for step in plan.executors:
            if len(first) == _MOST_AHEAD:
                break
            if self._is_asked(step.index, step.executor.image):
                first.setdefault(step.executor.image, step.index)
        if first:
            asked = {index: self._questions[image] for image, index in first.items()}
            self.runtime.look_ahead(plan, asked, self.account.say)

    def fit(self, plan: Plan, index: int) -> Plan:
        """Return the plan with what the image of an executor has left visible.

        Raises:
            StepFailedError: The image cannot be looked into.
        """
        image = plan.executors[index].executor.image
        if not self._is_asked(index, image):
            return plan
        if image not in self._occupied:
            self._occupied[image] = frozenset(
                self.runtime.look_into(
                    plan, index, self._questions[image], self.account.say
                )
            )
        fitted = plan_task(self.assignment.task, plan.attempt, self._occupied)
        return replace(plan, executors=fitted.executors)

    def _is_asked(self, index: int, image: str) -> bool:
        """Tell whether it matters: what has started has its mounts."""
        over = self.assignment.finished_executors
        begun = index in over or index in self.assignment.started_executors
        return image in self._questions and not begun
