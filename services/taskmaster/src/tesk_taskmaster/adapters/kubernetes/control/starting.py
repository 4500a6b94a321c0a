"""Starting a step: its Job created, adopted or made again, until it runs.

A Job is created by a name that only this step has, so that whoever was killed
after creating it finds it. A filer that died without a verdict is started again
by a new Job of the same name, when the old one is gone. An executor is not: if it
had started, and there is no Job of its name, somebody has deleted it.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from tesk_kubernetes.api import (
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
    KubernetesError,
)
from tesk_kubernetes.labels import attempt_of
from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.control.book import Book, Entry, pruned
from tesk_taskmaster.adapters.kubernetes.control.footing import is_owned_by, maker_of
from tesk_taskmaster.adapters.kubernetes.control.holds import AttemptHold, StepHold
from tesk_taskmaster.adapters.kubernetes.control.judging import Judge
from tesk_taskmaster.adapters.kubernetes.control.observations import (
    Ended,
    Failed,
    Judgement,
    Running,
    Subject,
)
from tesk_taskmaster.adapters.kubernetes.control.patience import PAUSE, Patience
from tesk_taskmaster.adapters.kubernetes.control.pod_status import (
    ended_at,
    leaving_since,
)
from tesk_taskmaster.adapters.kubernetes.control.step_ends import judge_missing
from tesk_taskmaster.adapters.kubernetes.control.watching import Watching
from tesk_taskmaster.adapters.kubernetes.manifests.objects import job_name
from tesk_taskmaster.adapters.kubernetes.manifests.rendering import (
    PodTemplates,
    step_job,
    step_subject,
)
from tesk_taskmaster.domain.step_names import direction_of
from tesk_taskmaster.domain.verdicts import TransferVerdict, transfer_verdict
from tesk_taskmaster.ports import Clock, Say, StepFailedError

_EPOCH = datetime.fromtimestamp(0, UTC)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Starts steps."""

    api: KubernetesApi
    book: Book
    watching: Watching
    patience: Patience
    judge: Judge
    templates: PodTemplates
    clock: Clock
    settings: KubernetesSettings

    def start(
        self, hold: AttemptHold, step: str, say: Say, *, has_started: bool
    ) -> None:
        """Return when the container of a step runs or has ended.

        Raises:
            StepFailedError: It will not run, or ``has_started`` and is gone.
        """
        begun = hold.steps.get(step)
        is_ours = begun is not None
        if begun is None and has_started:
            begun = self._recover(hold, step, say)
        begun = begun or self._begin(hold, step, say)
        # What was created just now may have crashed, too: that is for ``wait``.
        is_old = is_ours or begun.is_adopted
        if (
            is_old
            and direction_of(step)
            and _has_crashed(self.judge.judge(hold, begun))
        ):
            self._clear(hold, begun, say)
            begun = self._begin(hold, step, say)
        self._await_running(hold, begun, say)

    def begin(self, hold: AttemptHold, step: str, say: Say) -> None:
        """Create or adopt the Job of a step, and do not wait until it runs.

        Raises:
            StepFailedError: It will not run.
        """
        if step not in hold.steps:
            self._begin(hold, step, say)

    def _begin(self, hold: AttemptHold, step: str, say: Say) -> StepHold:
        """Create or adopt the Job of a step."""
        self._check_volume(hold)
        subject = step_subject(hold.plan, step, self.templates)
        body = step_job(hold, step, self.templates)
        adopted: list[JsonObject] = []

        def found() -> JsonObject | None:
            known = self._found_job(hold, step)
            adopted[:] = [known] if known is not None else []
            return known

        job = self.patience.create(
            JOBS,
            body,
            found=found,
            subject=subject,
            say=say,
            since=self._waiting_since(hold),
        )
        return self._hold(
            hold, step, job, subject=subject, say=say, is_adopted=bool(adopted)
        )

    def _waiting_since(self, hold: AttemptHold) -> datetime | None:
        """Return since when the next Job may have been waited for, by anybody."""
        if hold.plan.waiting_since is None:
            return None
        ends = (
            ended_at(entry.object)
            for kind in (JOBS, PODS)
            for entry in self.book.all(hold.attempt, kind)
        )
        return max(hold.plan.waiting_since, *filter(None, ends), _EPOCH)

    def _recover(self, hold: AttemptHold, step: str, say: Say) -> StepHold:
        """Adopt the Job of an executor that had started; never make it again."""
        self._check_volume(hold)
        subject = step_subject(hold.plan, step, self.templates)
        job = self.patience.call(lambda: self._found_job(hold, step), say)
        if job is None:
            hold.has_strays = True
            judged = judge_missing(subject)
            raise StepFailedError(judged.message, lost=judged.lost)
        return self._hold(hold, step, job, subject=subject, say=say, is_adopted=True)

    def _hold(
        self,
        hold: AttemptHold,
        step: str,
        job: JsonObject,
        *,
        subject: Subject,
        say: Say,
        is_adopted: bool,
    ) -> StepHold:
        maker = maker_of(job) or hold.site.taskmaster
        self.watching.adopt(hold.attempt, hold.site.namespace, maker, say)
        begun = StepHold(
            name=step,
            subject=subject,
            job=pruned(job),
            begun=self.clock.monotonic(),
            is_adopted=is_adopted,
        )
        hold.steps[step] = begun
        return begun

    def _found_job(self, hold: AttemptHold, step: str) -> JsonObject | None:
        """Return a Job of the step's name that is ours; None if it goes by itself."""
        name = job_name(hold.attempt, step)
        job = self.api.get(JOBS, hold.site.namespace, name)
        if job is None:
            return None
        if attempt_of(job) != hold.attempt:
            raise StepFailedError(f"the name {name} is taken by a Job that is not ours")
        if not is_owned_by(job, hold.footing.anchor_uid):
            return None
        leaves = "deletionTimestamp" in job["metadata"]
        return None if leaves and direction_of(step) else job

    def _check_volume(self, hold: AttemptHold) -> None:
        if not hold.plan.has_volume:
            return
        entry = self.book.get(hold.attempt, VOLUME_CLAIMS, hold.attempt.name)
        if entry is not None and (
            entry.is_gone or "deletionTimestamp" in entry.object["metadata"]
        ):
            raise StepFailedError("the task volume was deleted", lost=True, gone=True)

    def _await_running(self, hold: AttemptHold, step: StepHold, say: Say) -> None:
        while True:
            version = self.book.version(hold.attempt)
            judged = self.judge.judge(hold, step)
            if isinstance(judged, Running | Ended):
                return
            if isinstance(judged, Failed):
                if judged.lost and direction_of(step.name):
                    return  # ``wait`` tells, and it is started again
                self._give_up(hold, step, judged)
                raise StepFailedError(judged.message, lost=judged.lost)
            is_blind = bool(self.watching.problem(hold.site.namespace))
            is_quiet = self.judge.has_patience(step) and not is_blind
            say("" if is_quiet else judged.reason)
            self.book.wait(hold.attempt, version, PAUSE)

    def _give_up(self, hold: AttemptHold, step: StepHold, failed: Failed) -> None:
        """Delete a Job that did not start: it must not do so later."""
        if failed.ran:
            return
        name = step.job["metadata"]["name"]
        try:
            self.api.delete(JOBS, hold.site.namespace, name, uid=step.uid)
        except KubernetesError as error:
            _logger.warning("job not deleted", extra={"job": name, "cause": str(error)})

    def _clear(self, hold: AttemptHold, step: StepHold, say: Say) -> None:
        """Remove the Job of a filer that crashed, with its pod."""
        name = step.job["metadata"]["name"]
        namespace = hold.site.namespace
        self.patience.call(
            lambda: self.api.delete(JOBS, namespace, name, uid=step.uid), say
        )
        asked = self.clock.now()
        while True:
            version = self.book.version(hold.attempt)
            job = self.book.get(hold.attempt, JOBS, name)
            pod = self.judge.pod(hold, step)
            if _is_out_of_the_way(job, step.uid) and (pod is None or pod.is_gone):
                return
            since = asked if pod is None else leaving_since(pod.object) or asked
            if self.clock.now() - since > self.settings.node_timeout:
                raise StepFailedError(
                    f"{step.subject.name}: its old pod does not go", lost=True
                )
            say(f"{step.subject.name}: starting again")
            self.book.wait(hold.attempt, version, PAUSE)


def _is_out_of_the_way(job: Entry | None, uid: str) -> bool:
    return job is None or job.is_gone or job.uid != uid


def _has_crashed(judged: Judgement) -> bool:
    """Tell whether a filer ended without a verdict."""
    if isinstance(judged, Failed):
        return judged.lost
    return (
        isinstance(judged, Ended)
        and transfer_verdict(judged.result.exit_code) is TransferVerdict.CRASHED
    )
