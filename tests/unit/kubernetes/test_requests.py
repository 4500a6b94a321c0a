"""Resource requests of pods are computed as Kubernetes does."""

from decimal import Decimal
from typing import Any

import pytest

from tesk_kubernetes.requests import node_resources, pod_requests, quota_bound

MI = 2**20
Amounts = dict[str, str | int]


def container(cpu: str = "0", memory: str = "0", **fields: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **fields}


CASES: dict[str, tuple[dict[str, Any], Amounts]] = {
    "nothing": ({}, {}),
    "all containers together": (
        {"containers": [container("100m", "64Mi"), container("0.5", "1Mi"), {}]},
        {"cpu": "0.6", "memory": 65 * MI},
    ),
    "a limit without a request is one": (
        {"containers": [{"resources": {"limits": {"cpu": 2, "memory": "1e3"}}}]},
        {"cpu": 2, "memory": 1000},
    ),
    "the largest initial container, if that is more": (
        {
            "initContainers": [container("1", "1Mi"), container("10m", "9Mi")],
            "containers": [container("100m", "2Mi")],
        },
        {"cpu": 1, "memory": 9 * MI},
    ),
    "what runs beside counts with both": (
        {
            "initContainers": [
                container("100m", restartPolicy="Always"),
                container("300m"),
            ],
            "containers": [container("250m")],
        },
        {"cpu": "0.4", "memory": 0},
    ),
    "the overhead of a runtime class": (
        {"containers": [container("1")], "overhead": {"cpu": "250m"}},
        {"cpu": "1.25", "memory": 0},
    ),
    "anything that nodes offer": (
        {"containers": [{"resources": {"limits": {"example.org/gpu": "2"}}}]},
        {"example.org/gpu": 2},
    ),
    "what is no quantity": (
        {"containers": [container("much", "")]},
        {"cpu": 0, "memory": 0},
    ),
}


@pytest.mark.parametrize(("spec", "want"), CASES.values(), ids=CASES)
def test_requests_of_a_pod(spec: dict[str, Any], want: Amounts) -> None:
    found = pod_requests({"spec": spec})

    assert found == {name: Decimal(amount) for name, amount in want.items()}


def test_the_resources_of_a_node_are_read() -> None:
    allocatable = {"cpu": "1930m", "memory": "3909472Ki", "pods": "110"}

    found = node_resources({"status": {"allocatable": allocatable}})

    assert found == {"cpu": Decimal("1.93"), "memory": 3909472 * 1024, "pods": 110}
    assert node_resources({}) == {}


def test_the_tightest_of_a_quota_counts_by_whatever_name() -> None:
    hard = {"cpu": "4", "requests.cpu": "3", "pods": "9", "count/pods": "10"}

    assert quota_bound({"spec": {"hard": hard}})["cpu"] == 3
    assert quota_bound({"spec": {"hard": hard}})["pods"] == 9
    assert quota_bound({"spec": {"hard": hard, "scopes": ["BestEffort"]}}) == {}
