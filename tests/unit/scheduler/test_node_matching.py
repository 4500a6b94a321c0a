"""Which nodes count: those on which an executor of some sort may run."""

from typing import Any

import pytest

from fakes.kubernetes_nodes import make_node
from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.settings import Gpu, KubernetesSettings, Pool
from tesk_scheduler.adapters.kubernetes.node_matching import (
    executor_pod_classes,
    is_usable,
)

TAINT = {"key": "team", "value": "b", "effect": "NoSchedule"}
LABELS = {"disk": "fast", "cores": "64"}


def affinity(**expression: Any) -> dict[str, Any]:
    """Require one expression of a node."""
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    return {"affinity": {"nodeAffinity": required}}


CASES: dict[str, tuple[dict[str, Any], JsonObject, bool]] = {
    "any node": ({}, make_node(), True),
    "the selected ones": (
        {"nodeSelector": {"disk": "fast"}},
        make_node(labels=LABELS),
        True,
    ),
    "not the others": ({"nodeSelector": {"disk": "fast"}}, make_node(), False),
    "not the tainted ones": ({}, make_node(taints=[TAINT]), False),
    "a preference is no taint": (
        {},
        make_node(taints=[TAINT | {"effect": "PreferNoSchedule"}]),
        True,
    ),
    "a taint that is tolerated": (
        {"tolerations": [{"key": "team", "value": "b"}]},
        make_node(taints=[TAINT]),
        True,
    ),
    "another value is not tolerated": (
        {"tolerations": [{"key": "team", "value": "a"}]},
        make_node(taints=[TAINT]),
        False,
    ),
    "nor another effect": (
        {"tolerations": [{"key": "team", "operator": "Exists", "effect": "NoExecute"}]},
        make_node(taints=[TAINT]),
        False,
    ),
    "every taint tolerated": (
        {"tolerations": [{"operator": "Exists"}]},
        make_node(taints=[TAINT]),
        True,
    ),
    "required labels": (
        affinity(key="disk", operator="In", values=["fast", "faster"]),
        make_node(labels=LABELS),
        True,
    ),
    "labels that must not be": (
        affinity(key="disk", operator="DoesNotExist"),
        make_node(labels=LABELS),
        False,
    ),
    "values that must not be": (
        affinity(key="disk", operator="NotIn", values=["fast"]),
        make_node(labels=LABELS),
        False,
    ),
    "more than": (
        affinity(key="cores", operator="Gt", values=["32"]),
        make_node(labels=LABELS),
        True,
    ),
    "less than": (
        affinity(key="cores", operator="Lt", values=["32"]),
        make_node(labels=LABELS),
        False,
    ),
    "what is no number is neither": (
        affinity(key="disk", operator="Lt", values=["32"]),
        make_node(labels=LABELS),
        False,
    ),
}


@pytest.mark.parametrize(("spec", "node", "want"), CASES.values(), ids=CASES)
def test_nodes_of_ordinary_executors(
    spec: dict[str, Any], node: JsonObject, want: bool
) -> None:
    sorts = executor_pod_classes({"spec": spec}, KubernetesSettings())

    assert any(sort.may_run_on(node) for sort in sorts) is want


def test_a_node_by_name() -> None:
    fields = [{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]
    spec = affinity(key="disk", operator="Exists")
    node_affinity = spec["affinity"]["nodeAffinity"]
    required = node_affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    required["nodeSelectorTerms"] = [{"matchFields": fields}]
    (sort, *_) = executor_pod_classes({"spec": spec}, KubernetesSettings())

    assert [sort.may_run_on(make_node(f"node-{n}")) for n in (1, 2)] == [False, True]


def test_nodes_of_pools_and_of_gpus_count_too() -> None:
    spot = {"key": "spot", "operator": "Exists"}
    gpu = {"key": "gpu", "operator": "Exists"}
    settings = KubernetesSettings(
        preemptible=Pool(tolerations=(spot,)),
        pools={"large": Pool(node_selector={"size": "large"}, tolerations=(spot,))},
        gpu=Gpu(tolerations=(gpu,)),
    )
    template = {"spec": {"nodeSelector": {"role": "tasks"}}}
    sorts = executor_pod_classes(template, settings)

    def counts(*taints: str, **labels: str) -> bool:
        node = make_node(
            labels={"role": "tasks", **labels},
            taints=[{"key": key, "effect": "NoSchedule"} for key in taints],
        )
        return any(sort.may_run_on(node) for sort in sorts)

    assert counts()
    assert counts("spot")
    assert counts("gpu")
    assert not counts("spot", "gpu")
    assert not counts("other")


@pytest.mark.parametrize(
    ("node", "want"),
    [
        (make_node(), True),
        (make_node(unschedulable=True), False),
        (make_node(ready="False"), False),
        (make_node(ready="Unknown"), False),
        ({"metadata": {"name": "new"}, "status": {}}, False),
    ],
)
def test_usable_nodes(node: JsonObject, want: bool) -> None:
    assert is_usable(node) is want
