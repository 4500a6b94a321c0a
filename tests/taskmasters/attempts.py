"""An attempt on a cluster in memory, run by the Kubernetes runtime."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from builders.tasks import make_assigned_task, make_executor
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_cluster_runtimes import ClusterRuntimes, make_settings
from programs.waiting import eventually
from tesk_kubernetes.api import JOBS, PODS, SECRETS, VOLUME_CLAIMS, JsonObject
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, TaskId
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.termination import StepResult

ATTEMPT = Attempt(TaskId("k1"), 1)
NAME = ATTEMPT.name
SOON = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
NOTHING = timedelta(0)


class CanceledError(Exception):
    """What ``report_reason`` raises when the user cancels."""


@dataclass(slots=True)
class ReasonRecorder:
    """Hears what is said; ``until`` ends the waiting at words."""

    reasons: list[str] = field(default_factory=list)
    until: str = ""

    def __call__(self, reason: Reason) -> None:
        if reason.text:
            self.reasons.append(reason.text)
        if self.until and self.until in reason.text:
            raise CanceledError


class ClusterHarness:
    """A cluster in memory with one attempt and its taskmaster."""

    def __init__(self, *, shares: bool = False, **settings: Any) -> None:
        self.api = FakeKubernetesApi()
        self.cluster = FakeCluster(self.api)
        self.runtimes = ClusterRuntimes(
            api=self.api, namespaces=["tasks"], settings=make_settings(**settings)
        )
        self.plan = plan_task(
            make_assigned_task(
                executors=(make_executor(image="ubuntu:1", command=("true",)),) * 2,
                inputs=(Input(path="/w/a", url="s3://b/a"),) if shares else (),
            ),
            ATTEMPT,
        )
        self.report_reason = ReasonRecorder()
        self.runtime = self.runtimes.open_runtime()

    def let_pods(self, happen: Callable[[JsonObject], object]) -> None:
        """Let this happen to every new pod."""

        def program(pod: JsonObject) -> None:
            happen(pod)

        self.cluster.program = program

    def prepare(self) -> None:
        self.runtime.prepare(self.plan, "token", self.report_reason)

    def start(self, step: str = "x0") -> None:
        self.runtime.start(self.plan, step, self.report_reason)

    @contextmanager
    def starting(self, step: str = "x0") -> Iterator[JsonObject]:
        """Start in the background; give the new pod, and see the start end."""
        thread = threading.Thread(target=self.start, args=(step,), daemon=True)
        thread.start()
        yield self.pod(step)
        thread.join(30)
        assert not thread.is_alive()

    def run(self, step: str = "x0") -> JsonObject:
        """Start, and let the container run."""
        with self.starting(step) as pod:
            return self.cluster.start(pod)

    def pod(self, step: str = "x0") -> JsonObject:
        def look() -> JsonObject | None:
            try:
                return self.cluster.pod_of(f"{NAME}-{step}")
            except LookupError:
                return None

        return eventually(look, what="the pod")

    def result(self, step: str = "x0") -> StepResult:
        found = self.runtime.wait(ATTEMPT, step, SOON)
        assert found is not None
        return found

    def left(self) -> list[str]:
        kinds = (SECRETS, VOLUME_CLAIMS, JOBS, PODS)
        return [body["kind"] for kind in kinds for body in self.api.all(kind)]
