"""Observes and stops one step, and reads its output.

All threads get the same result. No call is made under a lock.
"""

import logging
import math
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta

from tesk_kubernetes.api import JOBS, PODS, ApiUnavailableError, KubernetesError
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects, Entry
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.logs import LogSource, PodLog
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import STDERR_MARK
from tesk_taskmaster.adapters.kubernetes.status.failure_table import (
    judge_problem,
    shorten,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Judgement,
    Observation,
    ProblemKind,
    Running,
    Subject,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe
from tesk_taskmaster.domain.step_names import direction_of
from tesk_taskmaster.domain.termination import LoggedBytes, StepResult
from tesk_taskmaster.domain.transfer_result import TransferResult, transfer_result
from tesk_taskmaster.ports import ReportReason, StepFailedError, Tails, failure_of

_USUAL_SECONDS = 3.0  # in which most steps start; nothing is reported before
_MIN_GRACE = 1  # second; with 0 the pod object would be deleted at once
_LOG_END_TIMEOUT = timedelta(seconds=5)  # for a followed log to reach its end
_LOG_OPEN_TIMEOUT = timedelta(seconds=2)
_LOG_TIMEOUT = timedelta(minutes=15)

_logger = logging.getLogger(__name__)


class Step:
    """A step that was started, here or by a predecessor; thread-safe."""

    def __init__(
        self,
        cluster: Cluster,
        cached: AttemptObjects,
        objects: StepObjects,
        *,
        name: str,
        subject: Subject,
        is_repeatable: bool,
    ) -> None:
        """Observe a step.

        Args:
            cluster: Where it runs.
            cached: Of its attempt; notifies of changes.
            objects: Of the step.
            name: Of the step.
            subject: For messages.
            is_repeatable: It can be started again when it is lost.
        """
        self.name = name
        self.is_repeatable = is_repeatable
        self.objects = objects
        self._cluster = cluster
        self._cached = cached
        self._subject = subject
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._since: dict[ProblemKind, datetime] = {}
        self._was_stopped = False
        self._end: Ended | None = None
        self._log: PodLog | None = None

    def observe(self) -> Judgement:
        """Return the state of the step; its end, once known, does not change."""
        if self._end is not None:
            return self._end
        observed = self._observe_objects()
        is_clear = isinstance(observed, Running | Ended)
        if not is_clear and self.objects.query_if_due():
            observed = self._observe_objects()
        judged = self._judge(observed)
        if not isinstance(judged, Ended):
            return judged
        if self.objects.is_suspended():
            self._delete_job()  # or its queue would run it once more
        with self._lock:
            self._end = self._end or judged
            return self._end

    def has_crashed(self) -> bool:
        """Tell whether it was lost, or is a filer that ended without a result."""
        judged = self.observe()
        if not isinstance(judged, Ended):
            return False
        result = judged.result
        if result.error or not direction_of(self.name):
            return result.lost
        return transfer_result(result.exit_code) is TransferResult.CRASHED

    def check_not_failed(self) -> None:
        """Raise StepFailedError if it has failed for good."""
        judged = self.observe()
        if isinstance(judged, Ended) and judged.result.error and not judged.result.lost:
            raise StepFailedError(judged.result.error)

    def wait(self, timeout: timedelta) -> StepResult | None:
        """Wait for its end; None if it has not ended within ``timeout``."""
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            version = self._cached.version
            judged = self.observe()
            if isinstance(judged, Ended):
                return judged.result
            left = timedelta(seconds=deadline - time.monotonic())
            if left <= timedelta(0):
                return None
            self._cached.wait(version, min(left, RETRY_INTERVAL))

    def wait_running(self, report_reason: ReportReason) -> None:
        """Return when its container runs or has ended.

        Raises:
            StepFailedError: It will not run.
        """
        while True:
            version = self._cached.version
            judged = self.observe()
            if isinstance(judged, Running):
                return
            if isinstance(judged, Ended):
                result = judged.result
                if not result.error or (result.lost and self.is_repeatable):
                    return  # ``wait`` returns it, and it is started again
                if not judged.has_run:
                    self._delete_job()
                raise failure_of(result)
            is_usual = self.objects.age < _USUAL_SECONDS
            is_usual = is_usual and not self._informer_problem()
            report_reason(NO_REASON if is_usual else judged.reason)
            self._cached.wait(version, RETRY_INTERVAL)

    def stop(self, grace: timedelta) -> None:
        """Stop it, and return when it has ended or is closed.

        Raises:
            StepFailedError: It does not end.
        """
        if isinstance(self.observe(), Ended):
            return
        self._was_stopped = True
        clock = self._cluster.clock
        seconds = max(_MIN_GRACE, math.ceil(grace.total_seconds()))
        limit = seconds + self._cluster.settings.node_timeout.total_seconds()
        started = clock.monotonic()
        is_requested = False
        while not self._closed.is_set():
            version = self._cached.version
            is_requested = is_requested or self._request_stop(
                timedelta(seconds=seconds)
            )
            if isinstance(self.observe(), Ended):
                return
            if is_requested and clock.monotonic() - started > limit:
                raise StepFailedError(f"{self._subject.name} does not end")
            self._cached.wait(version, RETRY_INTERVAL)

    def tails(self) -> Tails:
        """Return the end of its output; begins to follow the log of a running one."""
        pod = self.objects.pod()
        if pod is None:
            return Tails(b"", b"", unread="its pod is gone")
        log = self._log_of(pod)
        judged = self.observe()
        if isinstance(judged, Ended):
            return self._final_tails(log, judged.logged)
        log.follow()
        return log.current()

    def close(self) -> None:
        """Stop observing: it continues to run."""
        self._closed.set()
        with self._lock:
            log = self._log
        if log is not None:
            log.close()

    def _observe_objects(self) -> Observation:
        snapshot = self.objects.snapshot(self._subject)
        # Read after the pod: TESK sets it before it stops the pod.
        return observe(replace(snapshot, was_stopped=self._was_stopped))

    def _judge(self, observed: Observation) -> Judgement:
        if isinstance(observed, Running | Ended):
            return observed
        if problem := self._informer_problem():
            # The cache may be old: do not give up.
            text = f"waiting for the Kubernetes API: {shorten(problem)}"
            return Waiting(Reason(ReasonCode.API_SERVER_UNREACHABLE, text))
        if isinstance(observed, Waiting):
            return observed
        now = self._cluster.clock.now()
        judged = judge_problem(
            observed,
            self._subject,
            since=observed.since or self._since.setdefault(observed.kind, now),
            now=now,
            settings=self._cluster.settings,
        )
        if isinstance(judged, Ended) and not self.objects.was_queried:
            self.objects.query()  # query the causes before giving up
            return self._judge(self._observe_objects())
        return judged

    def _informer_problem(self) -> str:
        return self._cluster.informers.problem(self.objects.namespace)

    def _delete_job(self) -> None:
        """Delete a Job: it must not start later."""
        try:
            self._cluster.api.delete(
                JOBS,
                self.objects.namespace,
                self.objects.job_name,
                uid=self.objects.job_uid,
            )
        except KubernetesError as error:
            _logger.warning("job not deleted", extra=self._extra(error))

    def _request_stop(self, grace: timedelta) -> bool:
        """Delete the pod, or the Job before it has one; tell whether that worked."""
        api, pod = self._cluster.api, self.objects.pod()
        try:
            if pod is None:
                api.delete(
                    JOBS,
                    self.objects.namespace,
                    self.objects.job_name,
                    uid=self.objects.job_uid,
                )
            elif not pod.is_gone:
                if not direction_of(self.name):
                    # Its further output is deleted with its pod.
                    self._log_of(pod).follow(_LOG_OPEN_TIMEOUT)
                api.delete(
                    PODS, self.objects.namespace, pod.name, uid=pod.uid, grace=grace
                )
        except KubernetesError as error:
            _logger.warning("step not stopped yet", extra=self._extra(error))
            return False
        return True

    def _log_of(self, pod: Entry) -> PodLog:
        with self._lock:
            if self._log is None:
                self._log = PodLog(
                    self._cluster.api,
                    LogSource(
                        namespace=self.objects.namespace,
                        pod=pod.name,
                        container=self._subject.container,
                    ),
                    mark=STDERR_MARK.encode(),
                    log_fields=self.objects.log_fields,
                    clock=self._cluster.clock,
                )
            return self._log

    def _final_tails(self, log: PodLog, logged: LoggedBytes | None) -> Tails:
        """Return all tails of an executor that has ended.

        Waits for an API server that is away: output that is not read now is lost.
        """
        deadline = time.monotonic() + _LOG_TIMEOUT.total_seconds()
        while True:
            try:
                return log.final(_LOG_END_TIMEOUT, logged)
            except ApiUnavailableError as error:
                if self._closed.is_set() or time.monotonic() > deadline:
                    return replace(log.current(), unread=str(error))
                self._closed.wait(RETRY_INTERVAL.total_seconds())

    def _extra(self, error: KubernetesError) -> dict[str, object]:
        return {**self.objects.log_fields, "cause": str(error)}
