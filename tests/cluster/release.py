"""TESK installed by helm, in a namespace of its own."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from clients.tes import TesClient
from cluster.kube import Kube, Object, is_ready, name_of, run, wait_until_none
from cluster.layouts import container_of, runs
from cluster.object_storage import credentials
from cluster.retrying_transport import RetryingTransport
from cluster.service_access import access_service
from cluster.values import CREDENTIALS, Values, merged
from programs.waiting import eventually

CHART = Path(__file__).parents[2] / "helm" / "tesk"
NAME = "tesk"
KINDS_OF_TASKS = ("jobs", "pods", "persistentvolumeclaims", "secrets", "configmaps")
# What Kubernetes puts into every namespace.
OF_THE_CLUSTER = {"configmap/kube-root-ca.crt", "serviceaccount/default"}


class Release(TesClient):
    """One TESK in the cluster.

    Attributes:
        namespace: Where it is, alone.
        values: With which it was installed or upgraded last.
    """

    def __init__(
        self, kube: Kube, namespace: str, values: Values, objects: Sequence[Object]
    ) -> None:
        self.kube = kube
        self.namespace = namespace
        self.values = values
        self._objects = (credentials(namespace, CREDENTIALS), *objects)
        self._of_others = OF_THE_CLUSTER | {
            f"{each['kind'].lower()}/{name_of(each)}" for each in self._objects
        }
        self._exits = contextlib.ExitStack()

    @property
    def has_one_pod(self) -> bool:
        """Tell whether the steps of a task share a pod."""
        return bool(self.values.get("taskmaster", {}).get("layout") == "pod")

    def install(self) -> None:
        """Install it; does not wait until it is ready."""
        self.kube.make_namespace(self.namespace)
        self.kube.apply(*self._objects)
        self._helm("install", NAME, str(CHART), "-f", "-")

    def upgrade(self, change: Mapping[str, Any]) -> None:
        """Upgrade it to changed values, and wait until all pods are the new ones."""
        self.values = merged(self.values, change)
        self._helm("upgrade", NAME, str(CHART), "--wait", "--timeout=180s", "-f", "-")

    def test(self) -> str:
        """Run ``helm test``; return what it prints."""
        return self._helm("test", NAME, "--timeout=280s")

    def uninstall(self) -> None:
        """Uninstall it, whatever runs."""
        self._helm("uninstall", NAME, "--wait", "--timeout=120s")

    def _helm(self, *command: str) -> str:
        text = yaml.safe_dump(self.values) if "-f" in command else ""
        return run("helm", *command, "--namespace", self.namespace, text=text)

    def connect(self) -> None:
        """Wait until it is ready, and open a way to its api."""
        for component in ("scheduler", "api"):
            self.kube.wait_for_pods(self.namespace, component_label(component))
        name = f"{NAME}-api"
        service = self.kube.get("services", self.namespace, name)
        assert service is not None, f"no Service {name}"
        port = service["spec"]["ports"][0]["port"]
        address = self._exits.enter_context(
            access_service(self.kube, self.namespace, name, port)
        )
        super().__init__(f"http://{address}", transport=RetryingTransport())
        eventually(self._answers, within=30, every=0.2, what="an answer of the api")

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/service-info").status_code == 200
        return False

    def close(self) -> None:
        """Close the way to its api."""
        client = getattr(self, "client", None)
        if client is not None:
            client.close()
        self._exits.close()

    def component(self, component: str) -> list[Object]:
        """Return the pods of api, scheduler, taskmaster, filer or executor."""
        return self.kube.list("pods", self.namespace, component_label(component))

    def kill(self, component: str) -> None:
        """Kill the pods of a component at once; return when all are new ones."""
        old = {pod["metadata"]["uid"] for pod in self.component(component)}
        assert old, f"no {component} to kill"
        for pod in self.component(component):
            self.kube.delete("pods", self.namespace, name_of(pod), grace=0)

        def replaced() -> bool:
            pods = self.component(component)
            new = [pod for pod in pods if pod["metadata"]["uid"] not in old]
            return bool(new) and all(is_ready(pod) for pod in new)

        if component in ("api", "scheduler"):
            eventually(replaced, within=90, every=0.3, what=f"a new {component}")

    def scale(self, component: str, replicas: int) -> None:
        """Give a component so many pods; return when it has them."""
        (deployment,) = self.kube.list(
            "deployments", self.namespace, component_label(component)
        )
        self.kube.patch(
            "deployments",
            self.namespace,
            name_of(deployment),
            {"spec": {"replicas": replicas}},
        )
        self.wait_for_scale(component, replicas)

    def wait_for_scale(self, component: str, replicas: int) -> None:
        """Wait until a component has so many pods, all ready."""
        eventually(
            lambda: (
                len(self.component(component)) == replicas
                and all(is_ready(pod) for pod in self.component(component))
            ),
            within=90,
            every=0.3,
            what=f"{replicas} pods of {component}",
        )

    def of_task(self, kind: str, task_id: str, **labels: str) -> list[Object]:
        """Return the objects of a task, e.g. its pods of ``step="x0"``."""
        wanted = {"tesk/task": task_id}
        wanted.update({f"tesk/{key}": value for key, value in labels.items()})
        selector = ",".join(f"{key}={value}" for key, value in wanted.items())
        return self.kube.list(kind, self.namespace, selector)

    def running_pod(
        self, task_id: str, step: str, *, other_than: str = "", within: float = 90
    ) -> str:
        """Wait until a step of a task runs, or is tried again; return its pod."""

        def look() -> str | None:
            for pod in self.of_task("pods", task_id):
                if pod["metadata"]["uid"] != other_than and runs(pod, step):
                    return name_of(pod)
            return None

        return eventually(
            look, within=within, every=0.2, what=f"a running {step} of {task_id}"
        )

    def execute(self, pod: str, step: str, *command: str) -> str:
        """Run a command in the container of a step; return what it prints."""
        found = self.kube.get("pods", self.namespace, pod)
        assert found is not None, f"no pod {pod}"
        container = container_of(found, step)
        return self.kube.execute(self.namespace, pod, *command, container=container)

    def wait_for_no_running_pod(self, task_id: str, step: str) -> None:
        """Wait until no pod of a step runs."""
        wait_until_none(
            lambda: [
                name_of(pod) for pod in self.of_task("pods", task_id) if runs(pod, step)
            ],
            within=60,
        )

    def starts(self, task_id: str, step: str) -> list[str]:
        """Return the names of the task's pods that ever started a step's container.

        By the cluster's events: one for each start.
        """

        def is_start(event: Object) -> bool:
            about = event["involvedObject"]
            container = "main" if f"-{step}-" in about["name"] else step
            return (
                event["reason"] == "Started"
                and about["kind"] == "Pod"
                and task_id in about["name"]
                and about.get("fieldPath", "").endswith(f"ontainers{{{container}}}")
            )

        return sorted(
            event["involvedObject"]["name"]
            for event in self.kube.list("events", self.namespace)
            if is_start(event)
        )

    def leftovers(self, task_id: str = "") -> list[str]:
        """Name what is left in the namespace of a task, or of any."""
        selector = f"tesk/task={task_id}" if task_id else "tesk/task"
        found = {
            f"{kind}/{name_of(item)}"
            for kind in KINDS_OF_TASKS
            for item in self.kube.list(kind, self.namespace, selector)
        }
        # By name, too: what lost its labels is left nevertheless.
        found |= {
            f"{kind}/{name_of(item)}"
            for kind in KINDS_OF_TASKS
            for item in self.kube.list(kind, self.namespace)
            if task_id and task_id in name_of(item)
        }
        return sorted(found)

    def wait_until_clean(self, *task_ids: str, within: float = 60) -> None:
        """Wait until nothing is left of the tasks (of all, if none is named)."""
        wait_until_none(
            lambda: [
                name for task in task_ids or ("",) for name in self.leftovers(task)
            ],
            within=within,
        )

    def wait_until_empty(self) -> None:
        """Wait until the namespace is as it was before TESK was installed."""
        self.kube.wait_until_only(self.namespace, self._of_others)

    def wait_for_reason(self, task_id: str, text: str, within: float = 60) -> str:
        """Wait until the user is told, while it lasts, of something with ``text``."""

        def look() -> str | None:
            reason = str(self.live(task_id).get("reason", ""))
            return reason if text.lower() in reason.lower() else None

        return eventually(
            look, within=within, every=0.3, what=f"a reason with {text!r} of {task_id}"
        )

    def finish(
        self, task_id: str, within: float = 120, every: float | None = 0.3
    ) -> dict[str, Any]:
        """Wait for a final state and return the whole task."""
        try:
            return super().finish(task_id, within, every)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe(task_id)}") from error

    def describe(self, task_id: str) -> str:
        """Return all that helps to find out why a task is as it is."""
        parts = [f"live: {self.live(task_id)}"]
        parts += [
            f"{kind}/{name_of(item)}: {item.get('status')}"
            for kind in ("jobs", "pods", "persistentvolumeclaims")
            for item in self.of_task(kind, task_id)
        ]
        parts += [
            f"event {event['involvedObject']['name']}: {event['message']}"
            for event in self.kube.list("events", self.namespace)
            if task_id in event["involvedObject"]["name"]
        ]
        return "\n".join(parts)[:6000]


def component_label(component: str) -> str:
    """Return the selector of a component's pods and Service."""
    return f"app.kubernetes.io/component={component}"


@contextlib.contextmanager
def installed(
    kube: Kube, namespace: str, values: Values, objects: Sequence[Object] = ()
) -> Iterator[Release]:
    """Install a release; at the end uninstall it, and nothing may be left.

    It may not be ready yet: ``connect`` waits for that, so that several can
    start at the same time. ``objects`` are there before it.
    """
    release = Release(kube, namespace, values, objects)
    release.install()
    try:
        yield release
        release.close()
        if run("helm", "list", "-q", "-n", namespace).strip():
            release.uninstall()
        release.wait_until_empty()
        assert not list(_in_no_namespace(kube, namespace))
    finally:
        release.close()
        kube.delete("namespaces", "", namespace)
        for kind, name in _in_no_namespace(kube, namespace):
            kube.delete(kind, "", name)


def _in_no_namespace(kube: Kube, namespace: str) -> Iterator[tuple[str, str]]:
    """Give what a release in ``namespace`` has in the whole cluster."""
    for kind in ("priorityclasses", "clusterrolebindings", "clusterroles"):
        for item in kube.list(kind, ""):
            if name_of(item).startswith(f"{NAME}.{namespace}."):
                yield kind, name_of(item)
