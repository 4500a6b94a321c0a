"""Which log belongs to a step, and what of it is to be shown."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

from tesk_kubernetes.api import ApiUnavailableError, KubernetesApi
from tesk_taskmaster.adapters.kubernetes.control.book import Entry
from tesk_taskmaster.adapters.kubernetes.control.holds import AttemptHold, StepHold
from tesk_taskmaster.adapters.kubernetes.control.logs import PodLog
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import STDERR_MARK
from tesk_taskmaster.ports import Tails

_REST = timedelta(seconds=5)  # that a followed log may take to come to its end
_OPENING = timedelta(seconds=2)
_PATIENCE = timedelta(minutes=15)
_PAUSE = 1.0


def follow_log(
    api: KubernetesApi, hold: AttemptHold, step: StepHold, pod: Entry
) -> None:
    """Keep what an executor prints from now on, before its pod is deleted."""
    if step.subject.ram is not None:
        log_of(api, hold, step, pod).follow(_OPENING)


def log_of(api: KubernetesApi, hold: AttemptHold, step: StepHold, pod: Entry) -> PodLog:
    """Return the log of a step."""
    with hold.guard:
        if step.log is None:
            step.log = PodLog(
                api,
                namespace=hold.site.namespace,
                pod=pod.object["metadata"]["name"],
                mark=STDERR_MARK.encode(),
            )
        return step.log


def final_tails(hold: AttemptHold, log: PodLog) -> Tails:
    """Return all tails of an executor that has ended.

    An API server that is away is waited for: what is not read now is lost.
    """
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    pause = threading.Event()
    while True:
        try:
            return log.final(_REST)
        except ApiUnavailableError as error:
            if hold.dropped.is_set() or time.monotonic() > deadline:
                return replace(log.so_far(), unread=str(error))
            pause.wait(_PAUSE)
