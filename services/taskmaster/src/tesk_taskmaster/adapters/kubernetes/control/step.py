"""Observes and stops one step.

All threads get the same result. No call is made under a lock.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tesk_kubernetes.api import PODS, KubernetesError
from tesk_kubernetes.templates import MAIN
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.concluded import ConcludedTransfers
from tesk_taskmaster.adapters.kubernetes.control.hold_up import HoldUp
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.step_log import StepLog
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Judgement,
    Observation,
    Running,
    Snapshot,
    Subject,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import has_ended, observe
from tesk_taskmaster.adapters.kubernetes.status.queues import is_suspended
from tesk_taskmaster.domain.step_names import direction_of, is_repeatable
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.domain.transfer_result import TransferResult, transfer_result
from tesk_taskmaster.ports import ReportReason, StepFailedError, Tails, failure_of

_USUAL_SECONDS = 3.0  # in which most steps start; nothing is reported before
# Who has waited for long is in no hurry: thousands may wait for a slow cluster, and
# what changes is looked at in any case. Only an order to abandon comes with a look.
_WAITED = 5  # so many times as long, when the objects are looked at again
_LONGEST_INTERVAL = timedelta(seconds=20)  # as often as the cluster is queried
_SUCCEEDED = Ended(result=StepResult(exit_code=0))  # of a filer
_MIN_GRACE = 1  # second; with 0 the pod object would be deleted at once

_logger = logging.getLogger(__name__)


class Step:
    """A step that was started, here or by a predecessor; thread-safe."""

    def __init__(
        self,
        cluster: Cluster,
        objects: StepObjects,
        *,
        name: str,
        subject: Subject,
        concluded: ConcludedTransfers,
        before_wait: Callable[[], None],
    ) -> None:
        """Observe a step.

        Args:
            cluster: Where it runs.
            objects: Of the step.
            name: Of the step.
            subject: For messages.
            concluded: Transfers of the attempt that have succeeded.
            before_wait: Called after each change of the attempt's objects, while it is
                waited for.
        """
        self.name = name
        # When it is lost. In a pod of all steps nothing is started again.
        self.is_repeatable = is_repeatable(name) and subject.container == MAIN
        self.objects = objects
        self._cluster = cluster
        self._cached = objects.cached
        self._subject = subject
        self._concluded = concluded
        self._before_wait = before_wait
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._hold_up = HoldUp(subject, clock=cluster.clock, settings=cluster.settings)
        self._was_stopped = False
        self._end: Ended | None = None
        self._observed: tuple[object, Observation] | None = None
        self._log = StepLog(cluster, objects, subject.container)

    def observe(self) -> Judgement:
        """Return the state of the step; its end, once known, does not change."""
        if self._end is not None:
            return self._end
        judged = _SUCCEEDED if self._concluded.has(self.name) else self._observe()
        if not isinstance(judged, Ended):
            return judged
        with self._lock:
            self._end = self._end or judged
        self.delete_if_ended()
        return self._end

    def _observe(self) -> Judgement:
        observed = self._observe_objects()
        is_clear = isinstance(observed, Running | Ended)
        was_queried = not is_clear and self.objects.query_if_due()
        if was_queried:
            observed = self._observe_objects()
        return self._explained(self._judge(observed, was_queried=was_queried))

    def delete_if_ended(self) -> None:
        """Delete its Job if that has no more to do, and its queue would run it again."""
        end = self._end
        is_last = not (self._subject.later or self._subject.filer)
        if end is not None and (end.result.lost or is_last):
            self.objects.delete_if_suspended()

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
            raise failure_of(judged.result)

    def wait(self, timeout: timedelta) -> StepResult | None:
        """Wait for its end; None if it has not ended within ``timeout``."""
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            version = self._cached.version
            self._before_wait()
            judged = self.observe()
            if isinstance(judged, Ended):
                return judged.result
            left = timedelta(seconds=deadline - time.monotonic())
            if left <= timedelta(0):
                return None
            # What runs goes on until a change; what waits may have waited too long.
            is_running = isinstance(judged, Running)
            self._cached.wait(
                version, left if is_running else min(left, RETRY_INTERVAL)
            )

    def wait_running(self, report_reason: ReportReason) -> None:
        """Return when its container runs or has ended.

        Raises:
            StepFailedError: It will not run, and its Job is deleted.
        """
        while True:
            version = self._cached.version
            self._before_wait()
            judged = self.observe()
            if isinstance(judged, Running):
                return
            if isinstance(judged, Ended):
                result = judged.result
                if not result.error or (result.lost and self.is_repeatable):
                    return  # ``wait`` returns it, and it is started again
                if not judged.has_run:
                    # Also if the API server is away: another may start in its place.
                    self._cluster.calls.call(self.objects.delete_job, report_reason)
                raise failure_of(result)
            is_usual = self.objects.age < _USUAL_SECONDS
            is_usual = is_usual and not self._informer_problem()
            report_reason(NO_REASON if is_usual else judged.reason)
            self._cached.wait(version, self._interval)

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
        judged = self.observe()
        if isinstance(judged, Ended):
            return self._log.final(pod, judged.logged)
        return self._log.current(pod)

    def drop_log(self) -> None:
        """Keep nothing of its log, if it has ended."""
        if self._end is not None:
            self._log.drop()

    def close(self) -> None:
        """Stop observing: it continues to run."""
        self._closed.set()
        self._log.close()

    @property
    def _interval(self) -> timedelta:
        """After which a step that waits is judged again, if nothing changes."""
        waited = timedelta(seconds=self.objects.age)
        return min(max(RETRY_INTERVAL, waited / _WAITED), _LONGEST_INTERVAL)

    def _observe_objects(self) -> Observation:
        """Observe the objects; only once what has not changed.

        Who waits looks again and again.
        """
        # Read first: what changes meanwhile is observed the next time.
        known = (self._cached.version, self.objects.results, self._was_stopped)
        before = self._observed
        if before is not None and before[0] == known:
            return before[1]
        snapshot = self._snapshot()
        observed = observe(snapshot)
        # Without the pod of a Job that has ended, a snapshot may query for it.
        is_whole = snapshot.pod is not None or not has_ended(snapshot.job)
        self._observed = (known, observed) if is_whole else None
        return observed

    def _snapshot(self) -> Snapshot:
        snapshot = self.objects.snapshot(self._subject)
        # Read after the pod: TESK sets it before it stops the pod.
        was_stopped = self._was_stopped
        passed = frozenset(filter(self._concluded.has, self._subject.earlier))
        return replace(snapshot, was_stopped=was_stopped, passed=passed)

    def _explained(self, judged: Judgement) -> Judgement:
        """Judge a step again that vanished, with its newest Job, which may say why.

        The watch of pods may be ahead of that of Jobs.
        """
        if not isinstance(judged, Ended):
            return judged
        if not judged.result.lost or judged.result.code != ReasonCode.STEP_VANISHED:
            return judged
        job = self.objects.newest_job()
        judged = self._judge(observe(replace(self._snapshot(), job=job)))
        if isinstance(judged, Ended) and is_suspended(job):
            self.objects.try_to_delete_job()
        return judged

    def _judge(self, observed: Observation, *, was_queried: bool = False) -> Judgement:
        """Judge what was observed; ``was_queried``: after the events were, just now."""
        if isinstance(observed, Running | Ended):
            return observed
        if problem := self._informer_problem():
            return _waiting_for_api(problem)  # the cache may be old: do not give up
        if isinstance(observed, Waiting):
            self._hold_up.forget()
            return observed
        judged = self._hold_up.judge(observed, was_queried=was_queried)
        if judged is not None:
            return judged
        if problem := self.objects.query():
            return self._hold_up.hold(_waiting_for_api(problem))
        return self._judge(self._observe_objects(), was_queried=True)

    def _informer_problem(self) -> str:
        return self._cluster.informers.problem(self.objects.namespace)

    def _request_stop(self, grace: timedelta) -> bool:
        """Delete the pod, or the Job before it has one; tell whether that worked."""
        api, pod = self._cluster.api, self.objects.pod()
        try:
            if pod is None:
                self.objects.delete_job()
            elif not pod.is_gone:
                if not direction_of(self.name):
                    # Its further output is deleted with its pod.
                    self._log.follow(pod)
                api.delete(
                    PODS, self.objects.namespace, pod.name, uid=pod.uid, grace=grace
                )
        except KubernetesError as error:
            _logger.warning("step not stopped yet", extra=self._extra(error))
            return False
        return True

    def _extra(self, error: KubernetesError) -> dict[str, object]:
        return {**self.objects.log_fields, "cause": str(error)}


def _waiting_for_api(problem: str) -> Waiting:
    text = f"waiting for the Kubernetes API: {shorten(problem)}"
    return Waiting(Reason(ReasonCode.API_SERVER_UNREACHABLE, text))
