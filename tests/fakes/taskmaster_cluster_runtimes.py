"""Kubernetes runtimes on a cluster in memory or a real one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from tesk_kubernetes.api import JsonObject, KubernetesApi
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import main_container
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.adapters.kubernetes.manifests.templates import PodTemplates
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.ports import Clock

IMAGE = "busybox:1.35"

# Each pod takes the next code; how many were taken stands on the task volume.
_FILER = """
echo >> /volume/.taken
code=$(echo $CODES | cut -d ' ' -f "$(wc -l < /volume/.taken)")
test "$code" = None && exec sleep 600
exit "${code:-0}"
"""


def make_report(code: int, **overrides: Any) -> str:
    """Return what the launcher writes at the end of a command."""
    fields = {
        "exit_code": code,
        "signal": 0,
        "terminated": False,
        "started_at": "2026-01-01T00:00:00.000Z",
        "ended_at": "2026-01-01T00:00:01.500Z",
        "max_rss_bytes": 5_242_880,
        "cpu_seconds": 1.1,
    }
    return json.dumps(fields | overrides)


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


@dataclass(slots=True, kw_only=True)
class ClusterRuntimes:
    """A cluster, and taskmasters that come and go.

    Attributes:
        api: Of the cluster.
        namespaces: Where tasks run.
        clock: Of all taskmasters.
    """

    api: KubernetesApi
    namespaces: Sequence[str]
    settings: KubernetesSettings = field(default_factory=make_settings)
    templates: PodTemplates = field(default_factory=make_templates)
    clock: Clock = field(default_factory=SystemClock)
    _opened: list[KubernetesRuntime] = field(default_factory=list)

    def open_runtime(self) -> KubernetesRuntime:
        """Open it as the next taskmaster would."""
        runtime = KubernetesRuntime(
            self.api,
            taskmaster=f"tm{len(self._opened)}",
            namespaces=self.namespaces,
            settings=self.settings,
            templates=self.templates,
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
        cluster.program = self.run

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

    def run(self, pod: JsonObject) -> None:
        started = self._cluster.start(pod)
        args = main_container(pod).get("args")
        if args is None:
            code = self.filer_codes.pop(0) if self.filer_codes else 0
            if code is not None:
                self._cluster.finish(started, code)
            return
        command = args[args.index("--") + 1 :]
        if "--inspect" in args:
            self._look(started, args)
            return
        if command[0] == "sleep":
            return
        if command[0] == "echo":
            metadata = pod["metadata"]
            text = f"{command[1]}\n".encode()
            self._api.add_log(metadata["namespace"], metadata["name"], text)
        code = {"false": 1}.get(command[0], 0)
        self._cluster.finish(started, code, report=make_report(code))
