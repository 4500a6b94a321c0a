"""Starts and adopts the steps of one attempt.

Each step has a Job of its own, or all share the one of a pod; an inspection of an image
and the check of a candidate always have their own. A filer that died without a result is started again by a new
Job of the same name, when the old one is deleted. An executor that had started is
not, and nothing is in a pod of several steps.
"""

from collections.abc import Sequence
from dataclasses import replace

from tesk_kubernetes.api import JOBS
from tesk_model.reasons import Reason
from tesk_taskmaster.adapters.kubernetes.control.attempt_jobs import AttemptJobs
from tesk_taskmaster.adapters.kubernetes.control.attempt_pod import AttemptPod
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.adapters.kubernetes.control.concluded import ConcludedTransfers
from tesk_taskmaster.adapters.kubernetes.control.step import Step
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.manifests.objects import job_name
from tesk_taskmaster.adapters.kubernetes.manifests.rendering import (
    step_image,
    step_job,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import Subject
from tesk_taskmaster.domain.layouts import LayoutChoice
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    INPUTS,
    direction_of,
    is_inspection_step,
    is_repeatable,
    title_of,
    uses_volume,
)
from tesk_taskmaster.ports import ReportReason


class AttemptSteps:
    """The steps of one attempt; used by one thread, but for ``steps``.

    Attributes:
        plan: The latest, with the inspected mounts.
        jobs: Of the steps.
        pod: That all steps share; None: each has its own.
        steps: That were started or adopted, by name.
        concluded: Transfers that the scheduler knows to have succeeded.
        is_anchor_deleted: All objects of the attempt are being deleted.
    """

    def __init__(
        self,
        plan: Plan,
        jobs: AttemptJobs,
        pod: AttemptPod | None,
        choice: LayoutChoice | None,
    ) -> None:
        """Run the steps of a prepared attempt."""
        self.plan = plan
        self.jobs = jobs
        self.pod = pod
        self._choice = choice
        self.steps: dict[str, Step] = {}
        self.concluded = ConcludedTransfers(jobs.cached)
        self.is_anchor_deleted = False

    def layout(self, plan: Plan) -> LayoutChoice | None:
        """See ``Runtime.layout``."""
        return self._choice if self.pod is None else self.pod.layout(plan)

    @property
    def needs_fitted_plan(self) -> bool:
        """See ``Runtime.needs_fitted_plan``."""
        return self.pod is not None and not self.pod.was_started

    @property
    def cached(self) -> AttemptObjects:
        """All objects of the attempt."""
        return self.jobs.cached

    @property
    def anchor_uid(self) -> str:
        """Uid of what owns them."""
        return self.jobs.anchor.uid

    def start(
        self,
        name: str,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
        directories: Sequence[str] = (),
        again: bool = False,
    ) -> Step:
        """Return a step when its container runs or has ended.

        Args:
            name: Of the step.
            report_reason: See ``Runtime``.
            has_started: The scheduler knows that it started.
            directories: To inspect, if it inspects an image.
            again: Not as it ended before, if it may run twice.

        Raises:
            StepFailedError: It will not run, or ``has_started`` and is gone.
        """
        self._drop_logs(name)
        step, is_old = self.steps.get(name), True
        if step is None and self._in_pod(name):
            step = self._start_in_pod(name, report_reason, has_started=has_started)
        if step is None and has_started:
            step = self._recover(name, report_reason)
        if step is None:
            step, is_old = self._create(name, report_reason, directories)
        # A new step may have crashed, too: ``wait`` returns that.
        if is_old and step.is_repeatable and (again or step.has_crashed()):
            self.jobs.remove(step.objects, title_of(name), report_reason)
            step, _ = self._create(name, report_reason, directories)
        step.wait_running(
            self._checking_inspections(report_reason)
            if name == INPUTS
            else report_reason
        )
        return step

    def _drop_logs(self, next_step: str) -> None:
        """Drop the logs of the steps before: an attempt may have a thousand.

        Nobody asks for their output any more, as a rule.
        """
        for step in list(self.steps.values()):
            if step.name != next_step:
                step.drop_log()

    def _checking_inspections(self, report_reason: ReportReason) -> ReportReason:
        """Return a callback that also ends the wait for inputs if an inspection failed.

        The pod of an inspection may use the room that a quota leaves for the filer.
        Later steps have no need of one that nobody waits for any more.
        """

        def check(reason: Reason) -> None:
            for step in list(self.steps.values()):
                if is_inspection_step(step.name):
                    step.check_not_failed()
            report_reason(reason)

        return check

    def begin_step(
        self, name: str, report_reason: ReportReason, directories: Sequence[str]
    ) -> None:
        """Create or adopt the Job of a step, and do not wait until it runs.

        Raises:
            StepFailedError: It will not run.
        """
        if name not in self.steps:
            self._create(name, report_reason, directories)

    def is_cached(self) -> bool:
        """Tell whether the cache has all objects of the attempt, with the pods."""
        objects = [step.objects for step in self.steps.values()]
        return self.jobs.are_cached() and all(
            self.cached.get(JOBS, each.job_name) is not None
            and self.cached.pod_of(each.job_uid) is not None
            for each in objects
        )

    def close(self) -> None:
        """Stop observing all steps: they continue to run."""
        for step in list(self.steps.values()):
            step.close()

    def _in_pod(self, name: str) -> bool:
        return self.pod is not None and uses_volume(name)

    def _start_in_pod(
        self, name: str, report_reason: ReportReason, *, has_started: bool
    ) -> Step | None:
        if self.pod is None:
            return None
        subject = replace(self.pod.subject(self.plan, name), has_started=has_started)
        objects = self.pod.objects(
            self.plan, subject, report_reason, has_started=has_started
        )
        return self._add(name, objects, subject)

    def _create(
        self, name: str, report_reason: ReportReason, directories: Sequence[str]
    ) -> tuple[Step, bool]:
        """Create or adopt the Job of a step; tell whether it existed already."""
        cluster, subject = self.jobs.cluster, self._subject(name)
        body = step_job(
            self.plan,
            name,
            cluster.templates,
            context=self.jobs.context,
            anchor_uid=self.anchor_uid,
            directories=directories,
        )
        objects, is_adopted = self.jobs.create(
            body, subject, report_reason, is_repeatable=is_repeatable(name)
        )
        step = self._add(name, objects, subject)
        return step, is_adopted

    def _recover(self, name: str, report_reason: ReportReason) -> Step:
        """Adopt the Job of an executor that had started; never create it again."""
        objects = self.jobs.recover(
            job_name(self.plan.attempt, name), title_of(name), report_reason
        )
        subject = replace(self._subject(name), has_started=True)
        return self._add(name, objects, subject)

    def _add(self, name: str, objects: StepObjects, subject: Subject) -> Step:
        step = Step(
            self.jobs.cluster,
            objects,
            name=name,
            subject=subject,
            concluded=self.concluded,
            before_wait=self._delete_requeued,
        )
        self.steps[name] = step
        return step

    def _delete_requeued(self) -> None:
        """Delete the Jobs of steps that have ended, and that a queue would run again.

        A queue may take the room of one back before its Job says that it has ended.
        """
        for step in list(self.steps.values()):
            step.delete_if_ended()

    def _subject(self, name: str) -> Subject:
        return Subject(
            name=title_of(name),
            image=step_image(self.plan, name, self.jobs.cluster.templates),
            ram=None if direction_of(name) else self.plan.ram,
        )
