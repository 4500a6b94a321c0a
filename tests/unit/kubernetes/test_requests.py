"""What pods ask for is read as the scheduler of Kubernetes reads it."""

from typing import Any

import pytest

from tesk_kubernetes.requests import Amounts, node_amounts, pod_requests

MI = 2**20


def container(cpu: str = "0", memory: str = "0", **fields: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **fields}


CASES: dict[str, tuple[dict[str, Any], Amounts]] = {
    "nothing": ({}, Amounts()),
    "all containers together": (
        {"containers": [container("100m", "64Mi"), container("0.5", "1Mi"), {}]},
        Amounts(cpu_millis=600, ram=65 * MI),
    ),
    "a limit without a request is one": (
        {"containers": [{"resources": {"limits": {"cpu": 2, "memory": "1e3"}}}]},
        Amounts(cpu_millis=2000, ram=1000),
    ),
    "the largest initial container, if that is more": (
        {
            "initContainers": [container("1", "1Mi"), container("10m", "9Mi")],
            "containers": [container("100m", "2Mi")],
        },
        Amounts(cpu_millis=1000, ram=9 * MI),
    ),
    "what runs beside counts with both": (
        {
            "initContainers": [
                container("100m", restartPolicy="Always"),
                container("300m"),
            ],
            "containers": [container("250m")],
        },
        Amounts(cpu_millis=400),
    ),
    "the overhead of a runtime class": (
        {"containers": [container("1")], "overhead": {"cpu": "250m"}},
        Amounts(cpu_millis=1250),
    ),
    "rounded up": (
        {"containers": [container("0.0001", "0.5")]},
        Amounts(cpu_millis=1, ram=1),
    ),
    "what is no quantity": ({"containers": [container("much", "")]}, Amounts()),
}


@pytest.mark.parametrize(("spec", "want"), CASES.values(), ids=CASES)
def test_requests_of_a_pod(spec: dict[str, Any], want: Amounts) -> None:
    assert pod_requests({"spec": spec}) == want


def test_what_a_node_has_is_rounded_down() -> None:
    allocatable = {"cpu": "1930m", "memory": "3909472Ki", "pods": "110"}

    found = node_amounts({"status": {"allocatable": allocatable}})

    assert found == (Amounts(cpu_millis=1930, ram=3909472 * 1024), 110)
    assert node_amounts({}) == (Amounts(), 0)
