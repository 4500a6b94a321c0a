"""Ending a step that runs, so that its result and what it printed stay readable."""

import logging
import math
from dataclasses import dataclass
from datetime import timedelta

from tesk_kubernetes.api import JOBS, PODS, KubernetesApi, KubernetesError
from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.control.book import Book
from tesk_taskmaster.adapters.kubernetes.control.holds import AttemptHold, StepHold
from tesk_taskmaster.adapters.kubernetes.control.judging import Judge
from tesk_taskmaster.adapters.kubernetes.control.observations import Ended, Failed
from tesk_taskmaster.adapters.kubernetes.control.patience import PAUSE
from tesk_taskmaster.adapters.kubernetes.control.printing import follow_log
from tesk_taskmaster.ports import Clock, StepFailedError

_LEAST_GRACE = 1  # second; none at all would take the object from its node

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stops:
    """Ends steps."""

    api: KubernetesApi
    book: Book
    judge: Judge
    clock: Clock
    settings: KubernetesSettings

    def stop(self, hold: AttemptHold, step: StepHold, grace: timedelta) -> None:
        """End a step, and return when it has ended or the attempt is let go.

        Raises:
            StepFailedError: It does not end.
        """
        if isinstance(self.judge.judge(hold, step), Ended | Failed):
            return
        with hold.guard:
            step.was_stopped = True
        seconds = max(_LEAST_GRACE, math.ceil(grace.total_seconds()))
        limit = seconds + self.settings.node_timeout.total_seconds()
        started = self.clock.monotonic()
        was_asked = False
        while not hold.dropped.is_set():
            version = self.book.version(hold.attempt)
            was_asked = was_asked or self._ask(hold, step, timedelta(seconds=seconds))
            if isinstance(self.judge.judge(hold, step), Ended | Failed):
                return
            if was_asked and self.clock.monotonic() - started > limit:
                raise StepFailedError(f"{step.subject.name} does not end")
            self.book.wait(hold.attempt, version, PAUSE)

    def _ask(self, hold: AttemptHold, step: StepHold, grace: timedelta) -> bool:
        """Delete the pod, or the Job before it has one; tell whether that went."""
        namespace = hold.site.namespace
        pod = self.judge.pod(hold, step)
        try:
            if pod is None:
                name = step.job["metadata"]["name"]
                self.api.delete(JOBS, namespace, name, uid=step.uid)
            elif not pod.is_gone:
                follow_log(self.api, hold, step, pod)
                name = pod.object["metadata"]["name"]
                self.api.delete(PODS, namespace, name, uid=pod.uid, grace=grace)
        except KubernetesError as error:
            _logger.warning(
                "step not stopped yet",
                extra={"job": step.job["metadata"]["name"], "cause": str(error)},
            )
            return False
        return True
