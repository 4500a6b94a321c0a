"""How a step stands now: from the book to a judgement.

Events are listed only for a step that does not run after some seconds, less and
less often: they cost a call, and most steps need none.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tesk_kubernetes.api import (
    EVENTS,
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
    KubernetesError,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.control.book import (
    Book,
    Entry,
    is_pod_of,
    pruned,
)
from tesk_taskmaster.adapters.kubernetes.control.failure_table import (
    judge_trouble,
    short,
)
from tesk_taskmaster.adapters.kubernetes.control.holds import AttemptHold, StepHold
from tesk_taskmaster.adapters.kubernetes.control.observations import (
    Ended,
    Failed,
    Judgement,
    Observation,
    Running,
    Seen,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.control.pod_status import has_ended, observe
from tesk_taskmaster.ports import Clock

_PATIENCE = 3.0  # seconds in which most steps come to run
# Seconds before and between lists of events; a new volume takes some four.
_PAUSES = (6.0, 6.0, 10.0, 20.0)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges steps.

    Attributes:
        problem: Tells why what is known of a namespace may be old; "" if it is not.
    """

    api: KubernetesApi
    book: Book
    problem: Callable[[str], str]
    clock: Clock
    settings: KubernetesSettings

    def judge(self, hold: AttemptHold, step: StepHold) -> Judgement:
        """Say how a step stands; its end, once known, stays."""
        with hold.guard:
            if step.over is not None:
                return step.over
            observed = self._observe(hold, step)
            judged = self._judge(hold, step, observed)
            is_given_up = isinstance(judged, Failed) and judged is not observed
            if is_given_up and not step.lists:  # not without having asked why
                step.lists = 1
                self._list_events(hold, step)
                judged = self._judge(hold, step, observe(self._seen(hold, step)))
            if isinstance(judged, Ended | Failed):
                step.over = judged
            return judged

    def _judge(
        self, hold: AttemptHold, step: StepHold, observed: Observation
    ) -> Judgement:
        if isinstance(observed, Running | Ended | Failed):
            return observed
        problem = self.problem(hold.site.namespace)
        if problem:
            # Nothing is given up for what may have passed unseen.
            return Waiting(f"waiting for the Kubernetes API: {short(problem)}")
        if isinstance(observed, Waiting):
            return observed
        now = self.clock.now()
        since = step.since.setdefault(observed.trouble, now)
        return judge_trouble(
            observed,
            step.subject,
            since=observed.since or since,
            now=now,
            settings=self.settings,
        )

    def has_patience(self, step: StepHold) -> bool:
        """Tell whether nothing need be said of a step yet."""
        return self.clock.monotonic() - step.begun < _PATIENCE

    def pod(self, hold: AttemptHold, step: StepHold) -> Entry | None:
        """Return the pod of a step as it was last seen."""
        found = self.book.pod_of(hold.attempt, step.job)
        return Entry(step.pod) if found is None and step.pod is not None else found

    def _observe(self, hold: AttemptHold, step: StepHold) -> Observation:
        self._look_for_pod(hold, step)
        observed = observe(self._seen(hold, step))
        if isinstance(observed, Running | Ended | Failed):
            return observed
        if not self._is_due(step):
            return observed
        self._look_for_job(hold, step)
        self._list_events(hold, step)
        return observe(self._seen(hold, step))

    def _seen(self, hold: AttemptHold, step: StepHold) -> Seen:
        pod = self.pod(hold, step)
        claim = self.book.get(hold.attempt, VOLUME_CLAIMS, hold.attempt.name)
        return Seen(
            subject=step.subject,
            job=self._job(hold, step),
            pod=None if pod is None else pod.object,
            pod_is_gone=pod is not None and pod.is_gone,
            claim=None if claim is None or claim.is_gone else claim.object,
            events=step.events,
            was_stopped=step.was_stopped,
            has_no_pod=step.has_no_pod,
        )

    def _job(self, hold: AttemptHold, step: StepHold) -> JsonObject | None:
        """Return the Job; as we made it, until the book knows better."""
        entry = self.book.get(hold.attempt, JOBS, step.job["metadata"]["name"])
        if step.is_missing:
            return None
        if entry is None or entry.uid != step.uid:
            return step.job
        return None if entry.is_gone else entry.object

    def _is_due(self, step: StepHold) -> bool:
        now = self.clock.monotonic()
        pause = _PAUSES[min(step.lists, len(_PAUSES) - 1)]
        # What was adopted may have waited long already.
        is_late = step.is_adopted and not step.lists
        if now - max(step.begun, step.listed) < pause and not is_late:
            return False
        step.listed = now
        step.lists += 1
        return True

    def _look_for_pod(self, hold: AttemptHold, step: StepHold) -> None:
        """Ask for the pod of a Job that is over, if none is known.

        Jobs and pods are watched apart, so one may be ahead of the other.
        """
        if (
            self.pod(hold, step) is not None
            or step.has_no_pod
            or not has_ended(self._job(hold, step))
        ):
            return
        name = step.job["metadata"]["name"]
        labels = f"batch.kubernetes.io/job-name={name}"
        try:
            found = self.api.list(PODS, hold.site.namespace, labels=labels).items
        except KubernetesError as error:
            _logger.warning("pods not listed", extra={"cause": str(error)})
            return
        own = [pod for pod in map(pruned, found) if is_pod_of(pod, step.uid)]
        step.pod = own[0] if own else None
        step.has_no_pod = not own

    def _look_for_job(self, hold: AttemptHold, step: StepHold) -> None:
        """Ask for a Job of which no pod is known: what is cached may be old."""
        now = self.clock.monotonic()
        missing = self.settings.missing_timeout
        if self.pod(hold, step) is not None or step.is_missing:
            return
        if timedelta(seconds=now - max(step.begun, step.looked)) < missing:
            return
        step.looked = now
        try:
            found = self.api.get(
                JOBS, hold.site.namespace, step.job["metadata"]["name"]
            )
        except KubernetesError as error:
            _logger.warning("job not read", extra={"cause": str(error)})
            return
        step.is_missing = found is None or found["metadata"]["uid"] != step.uid

    def _list_events(self, hold: AttemptHold, step: StepHold) -> None:
        pod = self.pod(hold, step)
        about = [step.uid if pod is None else pod.uid]
        claim = self.book.get(hold.attempt, VOLUME_CLAIMS, hold.attempt.name)
        if claim is not None and claim.object["status"].get("phase") == "Pending":
            about.append(claim.uid)
        found: list[JsonObject] = []
        try:
            for uid in about:
                fields = f"involvedObject.uid={uid}"
                listed = self.api.list(EVENTS, hold.site.namespace, fields=fields)
                found += listed.items
        except KubernetesError as error:
            _logger.warning("events not listed", extra={"cause": str(error)})
        else:
            step.events = found
