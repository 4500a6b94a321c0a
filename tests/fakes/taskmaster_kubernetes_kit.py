"""The Kubernetes runtime over a cluster in memory, and over a real one."""

import base64
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from cluster.kube import Kube
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from tesk_kubernetes.api import JsonObject, KubernetesApi
from tesk_kubernetes.client import open_api
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import main_container
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.adapters.kubernetes.rendering import PodTemplates
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.ports import Clock
from waiting import eventually

LAUNCHER = Path(__file__).parents[2] / "build" / "launcher"
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
class ClusterKit:
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
    end with the next of ``filer_codes``, else 0; None hangs.
    """

    def __init__(self, api: FakeKubernetesApi, cluster: FakeCluster) -> None:
        self.filer_codes: list[int | None] = []
        self._api = api
        self._cluster = cluster
        cluster.program = self.run

    def run(self, pod: JsonObject) -> None:
        started = self._cluster.start(pod)
        args = main_container(pod).get("args")
        if args is None:
            code = self.filer_codes.pop(0) if self.filer_codes else 0
            if code is not None:
                self._cluster.finish(started, code)
            return
        command = args[args.index("--") + 1 :]
        if command[0] == "sleep":
            return
        if command[0] == "echo":
            metadata = pod["metadata"]
            text = f"{command[1]}\n".encode()
            self._api.say(metadata["namespace"], metadata["name"], text)
        code = {"false": 1}.get(command[0], 0)
        self._cluster.finish(started, code, report=make_report(code))


# All that a taskmaster may do, in each of the task namespaces.
RIGHTS = [
    {
        "apiGroups": ["batch"],
        "resources": ["jobs"],
        "verbs": ["create", "get", "list", "watch", "delete"],
    },
    {
        "apiGroups": [""],
        "resources": ["persistentvolumeclaims"],
        "verbs": ["create", "get", "list", "watch", "delete"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete"]},
]


class CountedApi:
    """Passes calls on, and counts them by verb and kind."""

    def __init__(self, api: KubernetesApi) -> None:
        self.calls: Counter[str] = Counter()
        self._api = api

    def __getattr__(self, verb: str) -> Any:
        called = getattr(self._api, verb)

        def call(first: Any, *args: Any, **fields: Any) -> Any:
            self.calls[f"{verb} {getattr(first, 'plural', 'pods/log')}"] += 1
            return called(first, *args, **fields)

        return call


def _limited_api(kube: Kube, namespace: str, folder: Path) -> KubernetesApi:
    """Return the API for a service account with the rights of a taskmaster."""
    core = f"/api/v1/namespaces/{namespace}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    account = {"kind": "ServiceAccount", "name": "tm", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tm"}
    meta = {"metadata": {"name": "tm"}}
    kube.call("POST", f"{core}/serviceaccounts", body=meta)
    kube.call("POST", f"{rbac}/roles", body=meta | {"rules": RIGHTS})
    binding = meta | {"roleRef": role, "subjects": [account]}
    kube.call("POST", f"{rbac}/rolebindings", body=binding)
    answer = kube.call("POST", f"{core}/serviceaccounts/tm/token", body={"spec": {}})
    known: Any = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text("utf-8"))
    for user in known["users"]:
        user["user"] = {"token": answer["status"]["token"]}
    (folder / "kubeconfig").write_text(yaml.safe_dump(known), "utf-8")
    environ = {"KUBECONFIG": str(folder / "kubeconfig")}
    return open_api(environ, patience=timedelta(seconds=2))


@contextmanager
def real_cluster() -> Iterator[ClusterKit]:
    """Give the cluster of KUBECONFIG, in a namespace of the test's own.

    Its taskmasters have the rights of taskmasters.
    """
    namespace = f"tesk-test-{uuid.uuid4().hex[:10]}"
    with closing(Kube()) as kube:
        kube.make_namespace(namespace)
        try:
            eventually(
                lambda: kube.get("serviceaccounts", namespace, "default"),
                what="the default service account",
            )
            core = f"/api/v1/namespaces/{namespace}"
            launcher = base64.b64encode(LAUNCHER.read_bytes()).decode("ascii")
            config = {
                "metadata": {"name": "tesk-l"},
                "binaryData": {"launcher": launcher},
            }
            kube.call("POST", f"{core}/configmaps", body=config)
            with TemporaryDirectory() as folder:
                api = _limited_api(kube, namespace, Path(folder))
                with closing(ClusterKit(api=api, namespaces=[namespace])) as kit:
                    yield kit
        finally:
            kube.delete("namespaces", "", namespace)
