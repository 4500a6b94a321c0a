"""Steps as Jobs of a Kubernetes cluster; see the ``Runtime`` port.

Nothing is polled: informers tell what changes. Nothing is kept that could not
be found again: names, labels and owners say whose everything is.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from tesk_kubernetes.api import (
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
    KubernetesError,
)
from tesk_kubernetes.labels import INSTANCE, TASK, attempt_of
from tesk_kubernetes.names import namespace_of
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.book import Book, Entry, pruned
from tesk_taskmaster.adapters.kubernetes.failure_table import short
from tesk_taskmaster.adapters.kubernetes.footing import (
    Foundations,
    is_owned_by,
    maker_of,
)
from tesk_taskmaster.adapters.kubernetes.holds import AttemptHold, StepHold
from tesk_taskmaster.adapters.kubernetes.judging import Judge
from tesk_taskmaster.adapters.kubernetes.manifests import Site, job_name
from tesk_taskmaster.adapters.kubernetes.observations import (
    Ended,
    Failed,
    Judgement,
    Running,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.patience import PAUSE, Patience
from tesk_taskmaster.adapters.kubernetes.printing import final_tails, log_of
from tesk_taskmaster.adapters.kubernetes.releasing import Releases
from tesk_taskmaster.adapters.kubernetes.rendering import (
    TRANSFERS,
    PodTemplates,
    step_job,
    step_subject,
)
from tesk_taskmaster.adapters.kubernetes.stopping import Stops
from tesk_taskmaster.adapters.kubernetes.watching import Watching
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.verdicts import TransferVerdict, transfer_verdict
from tesk_taskmaster.ports import Clock, Say, StepFailedError, StepResult, Tails

_FAILED = 255

_logger = logging.getLogger(__name__)


class KubernetesRuntime:
    """The runtime of a cluster; see the port."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        taskmaster: str,
        namespaces: Sequence[str],
        settings: KubernetesSettings,
        templates: PodTemplates,
        clock: Clock,
    ) -> None:
        """Run steps in ``namespaces``; ``open`` begins to watch them.

        Args:
            api: Of the cluster.
            taskmaster: Id of this process; marks what it makes.
            namespaces: Of all attempts; not empty.
            settings: Of TESK in a cluster.
            templates: Of pods.
            clock: The time.
        """
        self._api = api
        self._taskmaster = taskmaster
        self._namespaces = namespaces
        self._settings = settings
        self._templates = templates
        self._clock = clock
        self._book = Book()
        self._watching = Watching(api, self._book, instance=settings.instance)
        self._patience = Patience(api, clock, settings)
        self._foundations = Foundations(api, self._patience)
        self._judge = Judge(api, self._book, clock, settings)
        self._stops = Stops(api, self._book, self._judge, clock, settings)
        self._releases = Releases(api, self._book, self._patience, clock, settings)
        self._guard = threading.Lock()
        self._holds: dict[Attempt, AttemptHold] = {}
        self._makers: dict[Attempt, set[tuple[str, str]]] = {}

    def open(self) -> None:
        """Begin to watch, so that the first task need not wait for it."""
        for namespace in self._namespaces:
            self._watching.begin(namespace, self._taskmaster)

    def close(self) -> None:
        """Stop watching; steps go on."""
        for attempt in list(self._holds):
            self.let_go(attempt)
        self._watching.keep_only(())

    def notes(self) -> Sequence[str]:
        """See ``Runtime.notes``."""
        return ()

    def prepare(self, plan: Plan, transfer_token: str, say: Say) -> None:
        """See ``Runtime.prepare``."""
        attempt = plan.attempt
        site = self._site(attempt)
        self._book.hold(attempt)
        self._watching.ensure(site.namespace, self._taskmaster, say)
        footing = self._foundations.lay(plan, transfer_token, site, say)
        for maker in sorted(footing.makers):
            self._adopt_from(attempt, site.namespace, maker, say)
        hold = AttemptHold(plan=plan, site=site, footing=footing)
        with self._guard:
            self._holds[attempt] = hold

    def start(self, plan: Plan, step: str, say: Say) -> None:
        """See ``Runtime.start``; returns when its container runs or has ended."""
        hold = self._holds[plan.attempt]
        begun = hold.steps.get(step)
        if begun is None:
            begun = self._begin(hold, step, say)
        if step in TRANSFERS and _has_crashed(self._judge.judge(hold, begun)):
            self._clear(hold, begun, say)
            begun = self._begin(hold, step, say)
        self._await_running(hold, begun, say)

    def wait(
        self, attempt: Attempt, step: str, timeout: timedelta
    ) -> StepResult | None:
        """See ``Runtime.wait``."""
        hold = self._holds[attempt]
        begun = hold.steps[step]
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            version = self._book.version(attempt)
            judged = self._judge.judge(hold, begun)
            if isinstance(judged, Ended):
                return judged.result
            if isinstance(judged, Failed):
                return StepResult(
                    exit_code=_FAILED, error=judged.message, lost=judged.lost
                )
            left = timedelta(seconds=deadline - time.monotonic())
            if left <= timedelta(0):
                return None
            self._book.wait(attempt, version, min(left, PAUSE))

    def tails(self, attempt: Attempt, step: str) -> Tails:
        """See ``Runtime.tails``; first asked of a running one, it begins to follow."""
        hold = self._holds[attempt]
        begun = hold.steps[step]
        pod = self._judge.pod(hold, begun)
        if pod is None:
            return Tails(b"", b"")
        log = log_of(self._api, hold, begun, pod)
        if isinstance(self._judge.judge(hold, begun), Ended | Failed):
            return final_tails(hold, log)
        log.follow()
        return log.so_far()

    def stop(self, attempt: Attempt, step: str, grace: timedelta) -> None:
        """See ``Runtime.stop``."""
        hold = self._holds.get(attempt)
        begun = hold.steps.get(step) if hold is not None else None
        if hold is not None and begun is not None:
            self._stops.stop(hold, begun, grace)

    def let_go(self, attempt: Attempt) -> None:
        """See ``Runtime.let_go``."""
        with self._guard:
            hold = self._holds.pop(attempt, None)
            self._makers.pop(attempt, None)
            wanted = {pair for pairs in self._makers.values() for pair in pairs}
            own = {(namespace, self._taskmaster) for namespace in self._namespaces}
            self._watching.keep_only(wanted | own)
        if hold is not None:
            hold.dropped.set()
            for step in hold.steps.values():
                if step.log is not None:
                    step.log.close()
        self._book.drop(attempt)

    def release(self, attempt: Attempt) -> None:
        """See ``Runtime.release``."""
        namespace = self._site(attempt).namespace
        self._releases.release(attempt, namespace, self._holds.get(attempt))
        self.let_go(attempt)

    def attempts(self) -> Sequence[Attempt]:
        """See ``Runtime.attempts``; an anchor alone cannot be seen."""
        labels = f"{INSTANCE}={self._settings.instance},{TASK}"
        try:
            found = {
                attempt_of(item)
                for namespace in self._namespaces
                for resource in (JOBS, PODS, VOLUME_CLAIMS)
                for item in self._api.list(resource, namespace, labels=labels).items
            }
        except KubernetesError as error:
            raise StepFailedError(
                f"the cluster does not tell what is there: {error}", lost=True
            ) from error
        return sorted(attempt for attempt in found if attempt is not None)

    def _site(self, attempt: Attempt) -> Site:
        return Site(
            namespace=namespace_of(attempt, self._namespaces),
            taskmaster=self._taskmaster,
            settings=self._settings,
        )

    def _adopt_from(
        self, attempt: Attempt, namespace: str, maker: str, say: Say
    ) -> None:
        """Watch what another taskmaster made for an attempt, too."""
        if maker in ("", self._taskmaster):
            return
        with self._guard:
            self._makers.setdefault(attempt, set()).add((namespace, maker))
        self._watching.ensure(namespace, maker, say)

    def _begin(self, hold: AttemptHold, step: str, say: Say) -> StepHold:
        """Create or adopt the Job of a step."""
        self._check_volume(hold)
        subject = step_subject(hold.plan, step, self._templates)
        uid = hold.footing.anchor_uid
        body = step_job(
            hold.plan, step, self._templates, site=hold.site, anchor_uid=uid
        )
        job = self._patience.create(
            JOBS,
            body,
            found=partial(self._found_job, hold, step),
            subject=subject,
            say=say,
        )
        self._adopt_from(hold.attempt, hold.site.namespace, maker_of(job), say)
        begun = StepHold(
            name=step, subject=subject, job=pruned(job), begun=self._clock.monotonic()
        )
        hold.steps[step] = begun
        return begun

    def _found_job(self, hold: AttemptHold, step: str) -> JsonObject | None:
        """Return a Job of the step's name that is ours; None if it goes by itself."""
        name = job_name(hold.attempt, step)
        job = self._api.get(JOBS, hold.site.namespace, name)
        if job is None:
            return None
        if attempt_of(job) != hold.attempt:
            raise StepFailedError(f"the name {name} is taken by a Job that is not ours")
        if not is_owned_by(job, hold.footing.anchor_uid):
            return None
        leaves = "deletionTimestamp" in job["metadata"]
        return None if leaves and step in TRANSFERS else job

    def _check_volume(self, hold: AttemptHold) -> None:
        if not hold.plan.has_volume:
            return
        entry = self._book.get(hold.attempt, VOLUME_CLAIMS, hold.attempt.name)
        if entry is not None and (
            entry.is_gone or "deletionTimestamp" in entry.object["metadata"]
        ):
            raise StepFailedError("the task volume was deleted", lost=True)

    def _await_running(self, hold: AttemptHold, step: StepHold, say: Say) -> None:
        while True:
            version = self._book.version(hold.attempt)
            judged = self._judge.judge(hold, step)
            if isinstance(judged, Running | Ended):
                return
            if isinstance(judged, Failed):
                if judged.lost and step.name in TRANSFERS:
                    return  # ``wait`` tells, and it is started again
                self._give_up(hold, step, judged)
                raise StepFailedError(judged.message, lost=judged.lost)
            say(self._words(hold, step, judged))
            self._book.wait(hold.attempt, version, PAUSE)

    def _words(self, hold: AttemptHold, step: StepHold, judged: Waiting) -> str:
        problem = self._watching.problem(hold.site.namespace, self._taskmaster)
        if problem:
            return f"waiting for the Kubernetes API: {short(problem)}"
        return "" if self._judge.has_patience(step) else judged.reason

    def _give_up(self, hold: AttemptHold, step: StepHold, failed: Failed) -> None:
        """Delete a Job that did not start: it must not do so later."""
        if failed.ran:
            return
        name = step.job["metadata"]["name"]
        try:
            self._api.delete(JOBS, hold.site.namespace, name, uid=step.uid)
        except KubernetesError as error:
            _logger.warning("job not deleted", extra={"job": name, "cause": str(error)})

    def _clear(self, hold: AttemptHold, step: StepHold, say: Say) -> None:
        """Remove the Job of a filer that crashed, with its pod."""
        name = step.job["metadata"]["name"]
        namespace = hold.site.namespace
        self._patience.call(
            lambda: self._api.delete(JOBS, namespace, name, uid=step.uid), say
        )
        limit = self._settings.node_timeout.total_seconds()
        started = self._clock.monotonic()
        while True:
            version = self._book.version(hold.attempt)
            job = self._book.get(hold.attempt, JOBS, name)
            pod = self._judge.pod(hold, step)
            if _is_out_of_the_way(job, step.uid) and (pod is None or pod.is_gone):
                return
            if self._clock.monotonic() - started > limit:
                raise StepFailedError(
                    f"{step.subject.name}: its old pod does not go", lost=True
                )
            say(f"{step.subject.name}: starting again")
            self._book.wait(hold.attempt, version, PAUSE)


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
