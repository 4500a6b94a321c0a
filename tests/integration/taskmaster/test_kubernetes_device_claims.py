"""GPUs that are claimed, allocated by the scheduler of a real cluster, in both layouts.

The devices are in a list only: no node starts what has them, and none has to.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from msgspec import structs

from builders.tasks import make_assigned_task, make_executor
from cluster.kube import Kube, Object, name_of, wait_until_none
from cluster.taskmasters import real_cluster
from fakes.taskmaster_cluster_runtimes import (
    IMAGE,
    ClusterRuntimes,
    make_settings,
    one_pod,
)
from programs.waiting import eventually
from tesk_kubernetes.settings import Gpu
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Resources, TaskId
from tesk_taskmaster.domain.planning import plan_task

pytestmark = pytest.mark.cluster

GROUP = "/apis/resource.k8s.io/v1"
ATTEMPT = Attempt(TaskId("g1"), 1)
TEMPLATE = "one-gpu"
DEVICES = 2
LAYOUTS: dict[str, dict[str, Any]] = {
    "jobs": {"settings": make_settings()},
    "pod, together": one_pod("together"),
    "pod, sequence": one_pod("sequence"),
}


class _EnoughSeenError(Exception):
    """Ends the wait for a pod that never starts."""


@contextmanager
def devices(kube: Kube, namespace: str) -> Iterator[None]:
    """Have a class with two devices on the first node, and a template that claims one."""
    driver = f"{namespace}.example"
    meta = {"metadata": {"name": namespace}}
    cel = {"cel": {"expression": f"device.driver == '{driver}'"}}
    (node, *_) = (
        item["metadata"]["name"] for item in kube.call("GET", "/api/v1/nodes")["items"]
    )
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    names = [{"name": f"gpu-{number}"} for number in range(DEVICES)]
    request = {"name": "gpu", "exactly": {"deviceClassName": namespace, "count": 1}}
    made: list[tuple[str, Object]] = [
        ("deviceclasses", meta | {"spec": {"selectors": [cel]}}),
        (
            "resourceslices",
            meta
            | {
                "spec": {
                    "driver": driver,
                    "nodeName": node,
                    "pool": pool,
                    "devices": names,
                }
            },
        ),
    ]
    template = {
        "metadata": {"name": TEMPLATE},
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }
    with ExitStack() as stack:
        for plural, body in made:
            kube.call("POST", f"{GROUP}/{plural}", body=body)
            stack.callback(kube.call, "DELETE", f"{GROUP}/{plural}/{namespace}")
        path = f"{GROUP}/namespaces/{namespace}/resourceclaimtemplates"
        kube.call("POST", path, body=template)
        yield


@pytest.fixture(scope="module", autouse=True)
def device_claims() -> None:
    """Skip on a cluster that has none."""
    with closing(Kube()) as kube:
        try:
            kube.call("GET", f"{GROUP}/deviceclasses")
        except ApiException:
            pytest.skip("the cluster has no claims of devices (Kubernetes 1.34)")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_claimed_gpus_are_allocated_and_given_back(layout: str) -> None:
    fields = dict(LAYOUTS[layout])
    gpu = Gpu(claims={"*": TEMPLATE}, most=DEVICES)
    fields["settings"] = structs.replace(fields["settings"], gpu=gpu)
    with real_cluster(**fields) as runtimes, closing(Kube()) as kube:
        (namespace,) = runtimes.namespaces
        with devices(kube, namespace):
            _run(runtimes, kube, namespace)


def _run(runtimes: ClusterRuntimes, kube: Kube, namespace: str) -> None:
    resources = Resources(
        cpu_cores=0.01,
        ram_gb=0.0625,
        disk_gb=0.02,
        backend_parameters={"gpu": str(DEVICES)},
    )
    executor = make_executor(image=IMAGE, command=("true",))
    task = make_assigned_task(executors=(executor,), resources=resources)
    plan = plan_task(task, ATTEMPT)
    runtime = runtimes.open_runtime()
    has_seen = threading.Event()

    def report(_reason: Reason) -> None:
        if has_seen.is_set():
            raise _EnoughSeenError

    def start() -> None:
        with pytest.raises(_EnoughSeenError):
            runtime.start(plan, "x0", report)

    runtime.prepare(plan, "token", report)
    starting = threading.Thread(target=start)
    starting.start()
    try:
        eventually(
            lambda: len(_allocated(kube, namespace)) == DEVICES,
            what="the allocation of both devices",
        )
        # The node is written to the pod after the devices to its claims.
        eventually(
            lambda: any(
                pod["spec"].get("nodeName")
                for pod in kube.list("pods", namespace, "tesk/task")
            ),
            what="the pod on the node of its devices",
        )
    finally:
        has_seen.set()
        runtime.release(ATTEMPT)
        starting.join(60)
    assert not starting.is_alive()
    wait_until_none(lambda: list(map(name_of, _claims(kube, namespace))), within=60)


def _claims(kube: Kube, namespace: str) -> list[Object]:
    path = f"{GROUP}/namespaces/{namespace}/resourceclaims"
    found: list[Object] = kube.call("GET", path)["items"]
    return found


def _allocated(kube: Kube, namespace: str) -> set[str]:
    """Return the names of devices that are allocated."""
    return {
        result["device"]
        for claim in _claims(kube, namespace)
        for result in claim.get("status", {})
        .get("allocation", {})
        .get("devices", {})
        .get("results", ())
    }
