"""Kubernetes runtimes on a cluster in memory or a real one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.kubernetes_turns import Turns, is_of_steps
from fakes.taskmaster_reports import make_report
from tesk_kubernetes.api import JsonObject, KubernetesApi
from tesk_kubernetes.labels import attempt_of
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import main_container
from tesk_model.upload_retries import UploadRetries
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.adapters.kubernetes.control.layouts import Layouts
from tesk_taskmaster.adapters.kubernetes.manifests.templates import PodTemplates
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.layouts import LayoutOffer
from tesk_taskmaster.ports import Clock

IMAGE = "busybox:1.35"
UPLOADS = UploadRetries(
    tries=1, timeout=timedelta(seconds=60), backoff=timedelta(seconds=1)
)

# Each pod takes the next code; how many were taken stands on the task volume, or the
# pod's own where it has none.
_FILER = """
taken=${TESK_FILER_VOLUME:-/tmp}/.taken
echo >> "$taken"
code=$(echo $CODES | cut -d ' ' -f "$(wc -l < "$taken")")
test "$code" = None && exec sleep 600
exit "${code:-0}"
"""


def make_templates() -> PodTemplates:
    """Return the least that a deployment gives."""

    def template(**main: Any) -> JsonObject:
        return {
            "metadata": {},
            "spec": {
                "securityContext": {"fsGroup": 65532},
                "containers": [{"name": "main", "image": IMAGE} | main],
            },
        }

    return PodTemplates(
        executor=template(),
        filer=template(command=["/bin/sh", "-c", _FILER], env=[]),
    )


def make_settings(**overrides: Any) -> KubernetesSettings:
    """Return settings of a TESK named ``test``."""
    return KubernetesSettings(
        **({"instance": "test", "launcher": "tesk-l"} | overrides)
    )


def one_pod(order: str) -> dict[str, Any]:
    """Return fields of ``ClusterRuntimes`` whose steps share a pod."""
    return {
        "offer": LayoutOffer(layout="pod", order=order, pod_resources=True),
        "settings": make_settings(pod_resources=True),
    }


@dataclass(slots=True, kw_only=True)
class ClusterRuntimes:
    """A cluster, and taskmasters that come and go.

    Attributes:
        api: Of the cluster.
        namespaces: Where tasks run.
        offer: How steps can lie.
        clock: Of all taskmasters.
    """

    api: KubernetesApi
    namespaces: Sequence[str]
    settings: KubernetesSettings = field(default_factory=make_settings)
    templates: PodTemplates = field(default_factory=make_templates)
    offer: LayoutOffer = field(default_factory=LayoutOffer)
    clock: Clock = field(default_factory=SystemClock)
    _opened: list[KubernetesRuntime] = field(default_factory=list)

    def open_runtime(self) -> KubernetesRuntime:
        """Open it as the next taskmaster would."""
        runtime = KubernetesRuntime(
            self.api,
            taskmaster=f"tm{len(self._opened)}",
            namespaces=self.namespaces,
            settings=self.settings,
            layouts=Layouts.of(self.templates, self.offer, UPLOADS),
            clock=self.clock,
        )
        runtime.open()
        self._opened.append(runtime)
        return runtime

    def set_filers(self, codes: list[int | None]) -> None:
        """Decide how the filers of the real cluster end."""
        words = " ".join(map(str, codes))
        main_container(self.templates.filer)["env"] = [
            {"name": "CODES", "value": words}
        ]

    def conclude(self, pod: JsonObject) -> None:
        """Tell all taskmasters that the inputs of a pod's attempt have arrived."""
        attempt = attempt_of(pod)
        assert attempt is not None
        for runtime in self._opened:
            runtime.conclude(attempt, "inputs")

    def close(self) -> None:
        """End all taskmasters."""
        for runtime in self._opened:
            runtime.close()


class Programs:
    """What the pods of a ``FakeCluster`` do.

    Executors understand ``true``, ``false``, ``echo WORD`` and ``sleep``; filers
    end with the next of ``filer_codes``, else 0; None hangs. All images have
    something in the directories ``occupied``.
    """

    def __init__(self, api: FakeKubernetesApi, cluster: FakeCluster) -> None:
        self.filer_codes: list[int | None] = []
        self.occupied: set[str] = set()
        self._api = api
        self._cluster = cluster
        self.turns = Turns(cluster, self._result)
        cluster.program = self.run

    def run(self, pod: JsonObject) -> None:
        """Run a new pod; of one with several steps, all."""
        if is_of_steps(pod):
            self.turns.begin(pod)
            return
        started = self._cluster.start(pod)
        main = main_container(pod)
        if "--inspect" in (main.get("args") or ()):
            self._look(started, main["args"])
            return
        code = self._result(pod, main)
        if code is not None:
            report = make_report(code) if "args" in main else ""
            self._cluster.finish(started, code, report=report)

    def _look(self, pod: JsonObject, args: Sequence[str]) -> None:
        inspected = [
            word for at, word in enumerate(args) if args[at - 1] == "--inspect"
        ]
        numbers = "".join(
            f" {at}" for at, path in enumerate(inspected) if path in self.occupied
        )
        metadata = pod["metadata"]
        text = f"occupied:{numbers}\n".encode()
        self._api.add_log(metadata["namespace"], metadata["name"], text)
        self._cluster.finish(pod, report=make_report(0))

    def _result(self, pod: JsonObject, container: JsonObject) -> int | None:
        """Return how the command of a container ends; None: it does not."""
        args = container.get("args")
        if args is None or container["name"] in ("in", "out", "filer"):
            return self.filer_codes.pop(0) if self.filer_codes else 0
        command = args[args.index("--") + 1 :]
        if command[0] == "sleep":
            return None
        if command[0] == "echo":
            metadata = pod["metadata"]
            text = f"{command[1]}\n".encode()
            self._api.add_log(
                metadata["namespace"],
                metadata["name"],
                text,
                container=container["name"],
            )
        return {"false": 1}.get(command[0], 0)
