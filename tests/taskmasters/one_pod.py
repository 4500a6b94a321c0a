"""An attempt whose steps share a pod of a cluster in memory."""

from typing import Any

from builders.tasks import make_assigned_task, make_executor
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_cluster_runtimes import ClusterRuntimes, Programs, one_pod
from taskmasters.attempts import ATTEMPT, NAME, SOON, ReasonRecorder
from tesk_kubernetes.api import JOBS, PODS, SECRETS, VOLUME_CLAIMS, JsonObject
from tesk_model.task import Input, Output
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.termination import StepResult


class OnePod:
    """A cluster in memory, and an attempt all of whose steps hang until told."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.api = FakeKubernetesApi()
        self.cluster = FakeCluster(self.api)
        self.programs = Programs(self.api, self.cluster)
        self.programs.filer_codes = [None, None]
        self.runtimes = ClusterRuntimes(
            api=self.api, namespaces=["tasks"], **one_pod(order)
        )
        self.programs.turns.succeeded = self.runtimes.conclude
        executors = (make_executor(image="ubuntu:1", command=("sleep", "1")),) * 2
        task = make_assigned_task(
            executors=executors,
            inputs=(Input(path="/w/a", url="s3://b/a"),),
            outputs=(Output(path="/w/b", url="s3://b/b"),),
        )
        self.plan = plan_task(task, ATTEMPT)
        self.report_reason = ReasonRecorder()
        self.runtime = self.runtimes.open_runtime()

    def prepare(self) -> None:
        self.runtime.prepare(self.plan, "token", self.report_reason)

    def start(self, step: str, *, has_started: bool = False) -> None:
        self.runtime.start(self.plan, step, self.report_reason, has_started=has_started)

    def begin(self) -> None:
        self.prepare()
        self.start("in")

    def pod(self) -> JsonObject:
        return self.cluster.pod_of(f"{NAME}-pod")

    def end(self, step: str, code: int = 0, **how: Any) -> StepResult:
        """End a step, and return its result."""
        self.programs.turns.finish(self.pod(), step, code, **how)
        return self.result(step)

    def result(self, step: str) -> StepResult:
        found = self.runtime.wait(ATTEMPT, step, SOON)
        assert found is not None
        return found

    def succeed(self) -> None:
        """Let another taskmaster go on."""
        self.runtime.detach(ATTEMPT)
        self.runtime = self.runtimes.open_runtime()
        self.prepare()

    def left(self) -> list[str]:
        kinds = (SECRETS, VOLUME_CLAIMS, JOBS, PODS)
        return [body["kind"] for kind in kinds for body in self.api.all(kind)]
