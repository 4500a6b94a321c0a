"""Collects the objects of one step, from the cache and by queries.

Its Job and pod are watched. Queries are for what no watch reports in time: why a
step does not start (events cost a call, and most steps need none), and whether a Job
or a pod that is not in the cache still exists.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tesk_kubernetes.api import (
    EVENTS,
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    WORKLOADS,
    ApiUnavailableError,
    ForbiddenError,
    JsonObject,
    KubernetesError,
)
from tesk_kubernetes.labels import WORKLOAD_JOB, attempt_of, selector
from tesk_taskmaster.adapters.kubernetes.control.cache import (
    AttemptObjects,
    Entry,
    is_pod_of,
    pruned,
)
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.missing_rights import MissingRight
from tesk_taskmaster.adapters.kubernetes.status.events import KEPT, with_expired
from tesk_taskmaster.adapters.kubernetes.status.observations import Snapshot, Subject
from tesk_taskmaster.adapters.kubernetes.status.pods import has_ended
from tesk_taskmaster.adapters.kubernetes.status.queues import (
    is_suspended,
    queue_of,
    workload_message,
)

# Seconds before and between queries; a new volume takes some four.
_INTERVALS = (6.0, 6.0, 10.0, 20.0)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResults:
    """Results of queries.

    Attributes:
        pod: Of the Job, if it is not in the cache yet.
        has_no_pod: The pod does not exist.
        has_no_job: The Job does not exist.
        events: About Job, pod and claim.
        queue_message: See ``Snapshot``.
    """

    pod: JsonObject | None = None
    has_no_pod: bool = False
    has_no_job: bool = False
    events: Sequence[JsonObject] = ()
    queue_message: str = ""


class StepObjects:
    """Job, pod, volume claim and events of a step; thread-safe.

    Attributes:
        namespace: Of all of them.
        job_name: Of the Job.
        job_uid: Tells it from others of its name.
        cached: The objects of its attempt, which notify of changes.
        log_fields: What names the step in a line of a log.
        age: Seconds since it was started or adopted here.
        results: Of the queries so far.
    """

    def __init__(
        self,
        cluster: Cluster,
        cached: AttemptObjects,
        job: JsonObject,
        *,
        namespace: str,
        is_adopted: bool,
    ) -> None:
        """Collect the objects of ``job``, which was created or found."""
        self.namespace = namespace
        self.job_name = str(job["metadata"]["name"])
        self.job_uid = str(job["metadata"]["uid"])
        self.log_fields = {**_attempt_fields(job), "job": self.job_name}
        self._cluster = cluster
        self.cached = cached
        self._created = pruned(job)
        self._is_adopted = is_adopted
        self._started = cluster.clock.monotonic()
        self._events_since: datetime | None = None  # none were read
        self.results = QueryResults()
        self._right = MissingRight(cluster.clock, cluster.settings.refusal_timeout)
        self._queries = 0
        self._queried_at = self._started

    @property
    def age(self) -> float:
        """Seconds since the step was started or adopted here."""
        return self._cluster.clock.monotonic() - self._started

    def for_next_step(self) -> "StepObjects":
        """Return the same objects for another step of the pod, which begins now."""
        return StepObjects(
            self._cluster,
            self.cached,
            self._created,
            namespace=self.namespace,
            is_adopted=False,
        )

    def pod(self) -> Entry | None:
        """Return the pod in its last version."""
        asked = self.results.pod
        found = self.cached.pod_of(self.job_uid)
        return Entry(asked) if found is None and asked is not None else found

    def snapshot(self, subject: Subject) -> Snapshot:
        """Return all objects as they are known now."""
        if self.pod() is None and has_ended(self._job()):
            # Jobs and pods are watched separately, so one may be ahead of the other.
            self._query_pod()
        pod, claim, answers = self.pod(), self._claim(), self.results
        return Snapshot(
            subject=subject,
            job=self._job(),
            pod=None if pod is None else pod.object,
            pod_is_gone=pod is not None and pod.is_gone,
            claim=None if claim is None or claim.is_gone else claim.object,
            events=answers.events,
            events_since=self._events_since,
            has_no_pod=answers.has_no_pod,
            queue_message=answers.queue_message,
        )

    def query_if_due(self) -> bool:
        """Query the cluster, at growing intervals; tell whether it has answered.

        It may be another step's turn.
        """
        now = self._cluster.clock.monotonic()
        interval = _INTERVALS[min(self._queries, len(_INTERVALS) - 1)]
        # An adopted step may have waited long already.
        is_late = self._is_adopted and not self._queries
        if now - self._queried_at < interval and not is_late:
            return False
        with self._cluster.queries.turn() as is_free:
            if is_free:
                self._queried_at = now
            return is_free and not self.query()

    def query(self) -> str:
        """Query the cluster for why the step does not start.

        Returns:
            Why it does not answer now; "" if all is known that may be read.
        """
        self._queries += 1
        try:
            self._query()
        except KubernetesError as error:
            _logger.warning("step not queried", extra=self._extra(error))
            if isinstance(error, ForbiddenError) and not self._right.is_final():
                return str(error)
            if not isinstance(error, ApiUnavailableError):
                return ""  # it may not be read
            self._right.restart()
            return str(error)
        self._right.restart()
        return ""

    def _query(self) -> None:
        missing = self._cluster.settings.missing_timeout
        if self.pod() is None and timedelta(seconds=self.age) >= missing:
            self._query_job()
        job = self._job()
        if job is not None and is_suspended(job):
            self._query_queue(job)
        else:
            self._query_events()

    def newest_job(self) -> JsonObject | None:
        """Query the Job; return it as it is known if that fails."""
        try:
            found = self._cluster.api.get(JOBS, self.namespace, self.job_name)
        except KubernetesError as error:
            _logger.warning("job not read", extra=self._extra(error))
            return self._job()
        is_own = found is not None and found["metadata"]["uid"] == self.job_uid
        return pruned(found) if found is not None and is_own else None

    def delete_job(self) -> None:
        """Delete the Job: it must not start later.

        Raises:
            KubernetesError: It is not deleted.
        """
        self._cluster.api.delete(JOBS, self.namespace, self.job_name, uid=self.job_uid)

    def try_to_delete_job(self) -> None:
        """Delete the Job; a failure is only logged."""
        try:
            self.delete_job()
        except KubernetesError as error:
            _logger.warning("job not deleted", extra=self._extra(error))

    def delete_if_suspended(self) -> None:
        """Delete the Job of a step that has ended, if its queue would run it again."""
        if is_suspended(self._job()):
            self.try_to_delete_job()

    def _job(self) -> JsonObject | None:
        """Return the Job; as it was created, until it is in the cache."""
        if self.results.has_no_job:
            return None
        entry = self.cached.get(JOBS, self.job_name)
        if entry is None or entry.uid != self.job_uid:
            return self._created
        return None if entry.is_gone else entry.object

    def _claim(self) -> Entry | None:
        claims = self.cached.all(VOLUME_CLAIMS)
        return next((claim for claim in claims if not claim.is_gone), None)

    def _query_pod(self) -> None:
        if self.results.has_no_pod:
            return
        labels = f"batch.kubernetes.io/job-name={self.job_name}"
        try:
            found = self._cluster.api.list(PODS, self.namespace, labels=labels).items
        except KubernetesError as error:
            _logger.warning("pods not listed", extra=self._extra(error))
            return
        pods = [pod for pod in map(pruned, found) if is_pod_of(pod, self.job_uid)]
        self.results = replace(
            self.results, pod=pods[0] if pods else None, has_no_pod=not pods
        )

    def _query_job(self) -> None:
        """Query a Job that has no pod: the cached one may be old."""
        found = self._cluster.api.get(JOBS, self.namespace, self.job_name)
        is_gone = found is None or found["metadata"]["uid"] != self.job_uid
        self.results = replace(self.results, has_no_job=is_gone)

    def _query_queue(self, job: JsonObject) -> None:
        """Query why a queue of the cluster holds the Job back."""
        if not queue_of(job):
            return
        labels = selector({WORKLOAD_JOB: self.job_uid})
        found = self._cluster.api.list(WORKLOADS, self.namespace, labels=labels)
        message = workload_message(found.items)
        self.results = replace(self.results, queue_message=message)

    def _query_events(self) -> None:
        pod, claim = self.pod(), self._claim()
        about = [self.job_uid if pod is None else pod.uid]
        if claim is not None and claim.object["status"].get("phase") == "Pending":
            about.append(claim.uid)
        asked = self._cluster.clock.now()
        found: list[JsonObject] = []
        for uid in about:
            fields = f"involvedObject.uid={uid}"
            found += self._cluster.api.list(EVENTS, self.namespace, fields=fields).items
        self._events_since = self._events_since or asked - KEPT
        before = [
            event
            for event in self.results.events
            if event["involvedObject"]["uid"] in about
        ]
        self.results = replace(self.results, events=with_expired(found, before))

    def _extra(self, error: KubernetesError) -> dict[str, object]:
        return {**self.log_fields, "cause": str(error)}


def _attempt_fields(job: JsonObject) -> dict[str, object]:
    attempt = attempt_of(job)
    return {} if attempt is None else attempt.log_fields
