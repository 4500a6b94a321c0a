"""Reads what an executor prints, while it runs and when it has ended."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

from tesk_kubernetes.api import ApiUnavailableError
from tesk_taskmaster.adapters.kubernetes.control.cache import Entry
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.logs import LogSource, PodLog
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import has_pieces
from tesk_taskmaster.domain.termination import LoggedBytes
from tesk_taskmaster.ports import Tails

_LOG_END_TIMEOUT = timedelta(seconds=5)  # for a followed log to reach its end
_LOG_OPEN_TIMEOUT = timedelta(seconds=2)
_LOG_TIMEOUT = timedelta(minutes=15)


class StepLog:
    """The log of the container of a step, of its first pod; thread-safe."""

    def __init__(self, cluster: Cluster, objects: StepObjects, container: str) -> None:
        """Read nothing yet."""
        self._cluster = cluster
        self._objects = objects
        self._container = container
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._log: PodLog | None = None

    def current(self, pod: Entry) -> Tails:
        """Return the end of what was printed; begins to follow the log."""
        log = self._of(pod)
        log.follow()
        return log.current()

    def follow(self, pod: Entry) -> None:
        """Follow the log: it goes with its pod."""
        self._of(pod).follow(_LOG_OPEN_TIMEOUT)

    def final(self, pod: Entry, logged: LoggedBytes | None) -> Tails:
        """Return all tails of an executor that has ended.

        Waits for an API server that is away: output that is not read now is lost.
        """
        log = self._of(pod)
        deadline = time.monotonic() + _LOG_TIMEOUT.total_seconds()
        while True:
            try:
                return log.final(_LOG_END_TIMEOUT, logged)
            except ApiUnavailableError as error:
                if self._closed.is_set() or time.monotonic() > deadline:
                    return replace(log.current(), unread=str(error))
                self._closed.wait(RETRY_INTERVAL.total_seconds())

    def drop(self) -> None:
        """Keep nothing that was read: who asks for it has it read again."""
        with self._lock:
            log, self._log = self._log, None
        if log is not None:
            log.close()

    def close(self) -> None:
        """Stop following and waiting."""
        self._closed.set()
        with self._lock:
            log = self._log
        if log is not None:
            log.close()

    def _of(self, pod: Entry) -> PodLog:
        with self._lock:
            if self._log is None:
                self._log = PodLog(
                    self._cluster.api,
                    LogSource(
                        namespace=self._objects.namespace,
                        pod=pod.name,
                        container=self._container,
                        has_pieces=has_pieces(
                            pod.object["metadata"].get("labels") or {}
                        ),
                    ),
                    log_fields=self._objects.log_fields,
                    clock=self._cluster.clock,
                    refusal_timeout=self._cluster.settings.refusal_timeout,
                )
            return self._log
