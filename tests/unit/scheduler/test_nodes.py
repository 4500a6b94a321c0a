"""What a cluster has room for is known by watching."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from builders.scheduler_tasks import make_demand
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.kubernetes_nodes import make_node
from programs.waiting import eventually
from tesk_kubernetes.api import NODES, PODS, RESOURCE_QUOTAS, JsonObject
from tesk_kubernetes.settings import Gpu, KubernetesSettings
from tesk_model.quantities import GIB, ByteCount
from tesk_scheduler.adapters.kubernetes.cluster import LateCluster
from tesk_scheduler.adapters.kubernetes.nodes import ClusterNodes
from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.dimensions import DIMENSIONS, GPU
from tesk_scheduler.domain.quota import Amounts, Limit

RESERVE = Amounts(cpu_millis=200, ram=GIB, running=10)


def room(**named: int) -> Limit:
    """Return what a node has that has nothing else."""
    nothing = {each.column: 0 for each in DIMENSIONS if each.resource}
    return Limit(**{**nothing, **named})


EMPTY = room(cpu_millis=1800, ram=7 * GIB, running=100)


def template(cpu: str, memory: str, **spec: Any) -> JsonObject:
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    return {"spec": {"containers": [{"name": "main", "resources": requests}], **spec}}


def pod(name: str, *, cpu: str, **labels: str) -> JsonObject:
    body = template(cpu, "1Gi", nodeName="node-1")
    return body | {"metadata": {"name": name, "labels": labels}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the templates that the chart writes."""
    for name, text in {
        "taskmaster": template("25m", "96Mi"),
        "filer": template("50m", "128Mi"),
        "executor": template("0", "0", nodeSelector={"role": "tasks"}),
    }.items():
        (tmp_path / f"{name}-pod.yaml").write_text(yaml.safe_dump(text), "utf-8")
    return tmp_path


@pytest.fixture
def api() -> FakeKubernetesApi:
    """Return a cluster of one node for tasks, and one for others."""
    api = FakeKubernetesApi()
    api.plant(NODES, "", make_node("node-1", labels={"role": "tasks"}))
    api.plant(NODES, "", make_node("node-2"))
    return api


def left(nodes: ClusterNodes) -> Sequence[Limit] | None:
    """Return what each node has left."""
    known = nodes.nodes(RESERVE)
    return None if known is None else known.every


@contextlib.contextmanager
def watched(
    api: FakeKubernetesApi,
    folder: Path,
    notified: list[None] | None = None,
    settings: KubernetesSettings | None = None,
) -> Iterator[ClusterNodes]:
    """Watch the nodes, and two task namespaces."""
    heard = [] if notified is None else notified
    nodes = ClusterNodes(
        api,
        settings or KubernetesSettings(templates=str(folder)),
        ("a", "b"),
        changed=lambda: heard.append(None),
    )
    with contextlib.closing(nodes):
        yield nodes


def test_capacity_that_nodes_leave_for_tasks(
    api: FakeKubernetesApi, folder: Path
) -> None:
    with watched(api, folder) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))

        assert left(nodes) == [EMPTY]
        assert nodes.own_pods() == OwnPods(
            taskmaster=make_demand(cpu_millis=25, ram=ByteCount(96 * 2**20)),
            filer=make_demand(cpu_millis=50, ram=ByteCount(128 * 2**20)),
        )


def test_pods_of_others_count_and_those_that_run_tasks_do_not(
    api: FakeKubernetesApi, folder: Path
) -> None:
    cluster = FakeCluster(api)
    api.plant(PODS, "a", pod("tesk-api", cpu="50m"))
    over = api.plant(PODS, "b", pod("job-of-somebody", cpu="1"))
    api.plant(PODS, "b", pod("tesk-x0", cpu="1", **{"tesk/taskmaster": "tm-1"}))
    api.plant(PODS, "elsewhere", pod("unseen", cpu="1"))
    with watched(api, folder) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))
        before = left(nodes)

        cluster.finish(over)

        want = room(cpu_millis=750, ram=5 * GIB, running=98)
        assert before == [want]
        want = room(cpu_millis=1750, ram=6 * GIB, running=99)
        eventually(lambda: left(nodes) == [want])


def test_nodes_come_and_go_and_each_change_is_notified(
    api: FakeKubernetesApi, folder: Path
) -> None:
    notified: list[None] = []
    with watched(api, folder, notified) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))
        notified.clear()

        api.plant(NODES, "", make_node("node-3", labels={"role": "tasks"}))
        eventually(lambda: left(nodes) == [EMPTY, EMPTY])
        for name in ("node-1", "node-3"):
            api.change(NODES, "", name, cordon)

        eventually(lambda: left(nodes) == [])
        assert len(notified) == 3


def cordon(node: JsonObject) -> None:
    node["spec"]["unschedulable"] = True


def test_nodes_are_unknown_without_the_right_and_the_cause_is_reported(
    api: FakeKubernetesApi, folder: Path
) -> None:
    api.faults.forbid("list", NODES)
    with watched(api, folder) as nodes:
        eventually(lambda: "forbidden" in nodes.problem())

        assert left(nodes) is None


def test_templates_that_are_not_there_ask_for_nothing(
    api: FakeKubernetesApi, tmp_path: Path
) -> None:
    with watched(api, tmp_path) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))

        nothing = make_demand(cpu_millis=0, ram=ByteCount(0))
        assert nodes.own_pods() == OwnPods(taskmaster=nothing, filer=nothing)
        assert left(nodes) == [EMPTY, EMPTY]


def quota(name: str, **hard: str) -> JsonObject:
    return {"metadata": {"name": name}, "spec": {"hard": hard}}


def test_resource_quotas_of_all_task_namespaces_are_a_bound(
    api: FakeKubernetesApi, folder: Path
) -> None:
    api.plant(RESOURCE_QUOTAS, "a", quota("wide", cpu="3", memory="4Gi"))
    api.plant(
        RESOURCE_QUOTAS, "a", quota("tight", **{"requests.cpu": "1", "pods": "9"})
    )
    scoped = quota("scoped", pods="1")
    scoped["spec"]["scopes"] = ["BestEffort"]
    api.plant(RESOURCE_QUOTAS, "a", scoped)
    api.plant(PODS, "a", pod("tesk-api", cpu="50m"))
    with watched(api, folder) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))
        in_one_alone = nodes.bound()

        api.plant(RESOURCE_QUOTAS, "b", quota("small", cpu="500m", pods="2"))

        assert in_one_alone == Limit()
        eventually(lambda: nodes.bound() == Limit(cpu_millis=1450, running=10))


def test_quotas_that_may_not_be_seen_are_no_bound(
    api: FakeKubernetesApi, folder: Path
) -> None:
    api.plant(RESOURCE_QUOTAS, "a", quota("tight", pods="9"))
    api.faults.forbid("list", RESOURCE_QUOTAS)
    with watched(api, folder) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))

        assert nodes.bound() == Limit()
        assert left(nodes) == [EMPTY]


GPUS = KubernetesSettings(
    gpu=Gpu(resource="example.com/gpu", types={"a100": "A100", "t4": "T4"})
)


def gpu_node(name: str, count: int, model: str) -> JsonObject:
    labels = {"role": "tasks", "nvidia.com/gpu.product": model}
    node = make_node(name, labels=labels)
    node["status"]["allocatable"]["example.com/gpu"] = str(count)
    return node


def test_gpus_of_nodes_count_by_type_less_those_of_others(
    api: FakeKubernetesApi, folder: Path
) -> None:
    api.plant(NODES, "", gpu_node("gpus", 4, "A100"))
    taken = pod("of-somebody", cpu="1")
    taken["spec"]["nodeName"] = "gpus"
    taken["spec"]["containers"][0]["resources"]["limits"] = {"example.com/gpu": "1"}
    api.plant(PODS, "a", taken)
    settings = msgspec.structs.replace(GPUS, templates=str(folder))
    with watched(api, folder, settings=settings) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))

        known = nodes.nodes(RESERVE)

        assert known is not None
        assert sorted(each[GPU] for each in known.every) == [0, 3]
        assert [each[GPU] for each in known.by_gpu_type["a100"]] == [3]
        assert known.by_gpu_type["t4"] == []


def test_a_resource_quota_bounds_gpus(api: FakeKubernetesApi, folder: Path) -> None:
    for namespace in "ab":
        hard = {"requests.example.com/gpu": "2"}
        api.plant(RESOURCE_QUOTAS, namespace, quota("gpus", **hard))
    settings = msgspec.structs.replace(GPUS, templates=str(folder))
    with watched(api, folder, settings=settings) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))

        eventually(lambda: nodes.bound() == Limit(gpu=4))


def test_how_many_gpus_can_be_claimed_is_not_known(
    api: FakeKubernetesApi, folder: Path
) -> None:
    gpu = Gpu(claims={"*": "a-gpu"}, types={"a100": "A100"})
    with watched(
        api, folder, settings=KubernetesSettings(gpu=gpu, templates=str(folder))
    ) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))

        known = nodes.nodes(RESERVE)

        assert known is not None
        assert [each[GPU] for each in known.every] == [inf]
        assert known.by_gpu_type == {}


def test_pods_of_all_namespaces_count_where_they_may_be_listed(
    api: FakeKubernetesApi, folder: Path
) -> None:
    cluster = FakeCluster(api)
    theirs = {"tesk/taskmaster": "tm-1", "app.kubernetes.io/instance": "other"}
    own = theirs | {"app.kubernetes.io/instance": "tesk"}
    for namespace in ("elsewhere", "far-away"):
        api.plant(PODS, namespace, pod("web", cpu="300m"))
    api.plant(PODS, "a", pod("of-another-tesk", cpu="100m", **theirs))
    api.plant(PODS, "b", pod("of-a-task", cpu="1", **own))
    settings = KubernetesSettings(templates=str(folder), all_pods=True)
    with watched(api, folder, settings=settings) as nodes:
        assert nodes.wait_known(timedelta(seconds=10))
        before = left(nodes)

        over = api.peek(PODS, "far-away", "web")
        assert over is not None
        cluster.finish(over)

        assert before == [room(cpu_millis=1100, ram=4 * GIB, running=97)]
        eventually(
            lambda: left(nodes) == [room(cpu_millis=1400, ram=5 * GIB, running=98)]
        )


def test_capacity_is_unknown_while_pods_that_count_are(
    api: FakeKubernetesApi, folder: Path
) -> None:
    api.faults.forbid("list", PODS)
    settings = KubernetesSettings(templates=str(folder), all_pods=True)
    with watched(api, folder, settings=settings) as nodes:
        eventually(lambda: "forbidden" in nodes.problem())

        assert left(nodes) is None


def test_a_cluster_whose_capacity_nobody_asks_for_is_not_watched(
    api: FakeKubernetesApi, folder: Path
) -> None:
    opened: list[ClusterNodes] = []
    with watched(api, folder) as nodes:

        def watch() -> ClusterNodes:
            opened.append(nodes)
            return nodes

        late = LateCluster(watch)
        assert opened == []

        assert nodes.wait_known(timedelta(seconds=10))
        for _ in range(2):
            known = late.nodes(RESERVE)
            assert known is not None
            assert known.every == [EMPTY]
        assert late.own_pods() == nodes.own_pods()
        assert late.bound() == Limit()
        assert opened == [nodes]
