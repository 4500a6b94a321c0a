"""Steps as Jobs of a Kubernetes cluster; see the ``Runtime`` port.

Nothing is polled: informers tell what changes. Nothing is kept that could not
be found again: names, labels and owners say whose everything is.
"""

import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial

from tesk_kubernetes.api import (
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
    KubernetesError,
    Resource,
)
from tesk_kubernetes.labels import (
    INSTANCE,
    STEP,
    TASK,
    attempt_labels,
    attempt_of,
    selector,
)
from tesk_kubernetes.names import namespace_of
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.control.book import Book
from tesk_taskmaster.adapters.kubernetes.control.failure_table import short
from tesk_taskmaster.adapters.kubernetes.control.footing import (
    Foundations,
)
from tesk_taskmaster.adapters.kubernetes.control.holds import AttemptHold
from tesk_taskmaster.adapters.kubernetes.control.judging import Judge
from tesk_taskmaster.adapters.kubernetes.control.looking import Looks
from tesk_taskmaster.adapters.kubernetes.control.observations import (
    Ended,
    Failed,
)
from tesk_taskmaster.adapters.kubernetes.control.patience import PAUSE, Patience
from tesk_taskmaster.adapters.kubernetes.control.printing import final_tails, log_of
from tesk_taskmaster.adapters.kubernetes.control.releasing import Releases
from tesk_taskmaster.adapters.kubernetes.control.starting import Starts
from tesk_taskmaster.adapters.kubernetes.control.stopping import Stops
from tesk_taskmaster.adapters.kubernetes.control.watching import Watching
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import check_executors
from tesk_taskmaster.adapters.kubernetes.manifests.objects import Site
from tesk_taskmaster.adapters.kubernetes.manifests.rendering import (
    PodTemplates,
)
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Clock, Say, StepFailedError, Tails

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
        self._watching = Watching(
            api, self._book, instance=settings.instance, taskmaster=taskmaster
        )
        self._patience = Patience(api, clock, settings)
        self._foundations = Foundations(api, self._patience)
        self._judge = Judge(api, self._book, self._watching.problem, clock, settings)
        self._starts = Starts(
            api=api,
            book=self._book,
            watching=self._watching,
            patience=self._patience,
            judge=self._judge,
            templates=templates,
            clock=clock,
            settings=settings,
        )
        self._looks = Looks(
            starts=self._starts, clock=clock, wait=self.wait, tails=self.tails
        )
        self._stops = Stops(api, self._book, self._judge, clock, settings)
        self._releases = Releases(api, self._book, self._patience, clock, settings)
        self._guard = threading.Lock()
        self._holds: dict[Attempt, AttemptHold] = {}

    def open(self) -> None:
        """Begin to watch, so that the first task need not wait for it."""
        self._watching.open(self._namespaces)

    def close(self) -> None:
        """Stop watching; steps go on."""
        for attempt in list(self._holds):
            self.let_go(attempt)
        self._watching.close()

    def notes(self) -> Sequence[str]:
        """See ``Runtime.notes``."""
        return ()

    def prepare(self, plan: Plan, transfer_token: str, say: Say) -> None:
        """See ``Runtime.prepare``."""
        attempt = plan.attempt
        site = self._site(attempt)
        check_executors(plan, self._templates.executor, site=site)
        self._book.hold(attempt)
        self._watching.adopt(attempt, site.namespace, self._taskmaster, say)
        footing = self._foundations.lay(plan, transfer_token, site, say)
        for maker in sorted(footing.makers):
            self._watching.adopt(attempt, site.namespace, maker, say)
        hold = AttemptHold(plan=plan, site=site, footing=footing)
        with self._guard:
            self._holds[attempt] = hold

    def look_ahead(
        self, plan: Plan, questions: Mapping[int, Sequence[str]], say: Say
    ) -> None:
        """See ``Runtime.look_ahead``."""
        for index, directories in questions.items():
            self._looks.begin(self._holds[plan.attempt], index, directories, say)

    def look_into(
        self, plan: Plan, index: int, directories: Sequence[str], say: Say
    ) -> Collection[str]:
        """See ``Runtime.look_into``."""
        return self._looks.look(self._holds[plan.attempt], index, directories, say)

    def start(
        self, plan: Plan, step: str, say: Say, *, has_started: bool = False
    ) -> None:
        """See ``Runtime.start``; returns when its container runs or has ended."""
        hold = self._holds[plan.attempt]
        hold.plan = plan  # of this step's image by now
        self._starts.start(hold, step, say, has_started=has_started)

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
            return Tails(b"", b"", unread="its pod is gone")
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
        self._watching.drop(attempt)
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

    def begun(self, attempt: Attempt) -> Sequence[str]:
        """See ``Runtime.begun``; asked of the cluster, whoever made them."""
        namespace = self._site(attempt).namespace
        labels = selector(attempt_labels(attempt))
        listed = self._list(JOBS, namespace, labels)
        return sorted(job["metadata"]["labels"].get(STEP, "") for job in listed)

    def set_aside(self, attempt: Attempt) -> None:
        """See ``Runtime.set_aside``; the cluster removes what it was told to."""
        self.let_go(attempt)

    def attempts(self) -> Sequence[Attempt]:
        """See ``Runtime.attempts``; an anchor alone cannot be seen."""
        labels = f"{INSTANCE}={self._settings.instance},{TASK}"
        found: set[Attempt | None] = set()
        for namespace in self._namespaces:
            for resource in (JOBS, PODS, VOLUME_CLAIMS):
                found.update(map(attempt_of, self._list(resource, namespace, labels)))
        return sorted(attempt for attempt in found if attempt is not None)

    def _list(
        self, resource: Resource, namespace: str, labels: str
    ) -> Sequence[JsonObject]:
        try:
            return self._patience.call(
                partial(self._api.list, resource, namespace, labels=labels),
                _nobody_listens,
            ).items
        except KubernetesError as error:
            raise StepFailedError(
                f"the cluster does not tell what is there: {short(str(error))}",
                lost=True,
            ) from error

    def _site(self, attempt: Attempt) -> Site:
        return Site(
            namespace=namespace_of(attempt, self._namespaces),
            taskmaster=self._taskmaster,
            settings=self._settings,
        )


def _nobody_listens(_reason: str) -> None:
    """Take what is said where nobody can be told."""
