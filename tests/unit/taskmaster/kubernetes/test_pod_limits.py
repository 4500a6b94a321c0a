"""LimitRanges of whole pods, for pods whose steps start together."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.tasks import file_in, make_assigned_task, make_executor
from taskmasters.pod_shapes import LIMITED_FILER_POD, PodShape
from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.quantities import parse_amount
from tesk_model.reasons import ReasonCode
from tesk_model.task import Resources
from tesk_taskmaster.ports import StepFailedError


def limit_of_pods(**most: str) -> JsonObject:
    """Return a LimitRange with a maximum for pods."""
    names = {name.replace("_", "-"): amount for name, amount in most.items()}
    item = {"type": "Pod", "max": names}
    return {"metadata": {"name": "small"}, "spec": {"limits": [item]}}


def shape(*, has_input: bool = True, **fields: Any) -> PodShape:
    """Return a pod of one executor that starts with its filer."""
    task = make_assigned_task(
        inputs=(file_in("/work/a"),) if has_input else (),
        executors=(make_executor(),),
        resources=Resources(cpu_cores=2, ram_gb=8, disk_gb=10),
    )
    return PodShape(task=task, order="together", **fields)


@pytest.mark.parametrize("pod_resources", [True, False])
def test_a_pod_of_one_container_has_the_limit_that_its_namespace_wants(
    *, pod_resources: bool
) -> None:
    made = shape(
        has_input=False,
        pod_resources=pod_resources,
        limit_range=limit_of_pods(cpu="4"),
    ).job()

    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert parse_amount(container["resources"]["limits"]["cpu"]) == 4


NEEDED = "needed, and the LimitRange small of the cluster lets a pod have"
NOT_ALLOWED: dict[str, tuple[PodShape, str]] = {
    "more memory than the most": (
        shape(
            pod_resources=False,
            filer=LIMITED_FILER_POD,
            limit_range=limit_of_pods(memory="8Gi"),
        ),
        f"8.5 GiB memory {NEEDED} 8 GiB",
    ),
    "no limit of processors": (
        shape(pod_resources=False, limit_range=limit_of_pods(cpu="4")),
        "the LimitRange small of the cluster wants a limit of cpu, and no step has one",
    ),
    "more disk than the most": (
        shape(pod_resources=False, limit_range=limit_of_pods(ephemeral_storage="5Gi")),
        f"10 GiB ephemeral-storage {NEEDED} 5 GiB",
    ),
    "more disk than the most, where pods have resources": (
        shape(limit_range=limit_of_pods(ephemeral_storage="5Gi")),
        f"10 GiB ephemeral-storage {NEEDED} 5 GiB",
    ),
}


@pytest.mark.parametrize(("shape", "why"), NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_a_pod_that_its_namespace_does_not_allow_is_not_made(
    shape: PodShape, why: str
) -> None:
    with pytest.raises(StepFailedError) as failure:
        shape.job()

    assert failure.value.code == ReasonCode.POD_REFUSED
    assert str(failure.value) == f"the pod of all steps: {why}"


def test_a_pod_within_the_limits_of_its_namespace_is_made() -> None:
    limits = limit_of_pods(memory="9Gi")

    made = shape(pod_resources=False, filer=LIMITED_FILER_POD, limit_range=limits).job()

    names = [each["name"] for each in made["spec"]["template"]["spec"]["containers"]]
    assert names == ["in", "x0"]


def containers_limit(**item: dict[str, str]) -> JsonObject:
    """Return an item of a LimitRange, of each container."""
    return {"type": "Container", **item}


def pooled(*items: JsonObject, executors: int, ram: float = 0.5) -> PodShape:
    """Return a pod with resources of its own, whose steps start together."""
    task = make_assigned_task(
        inputs=(file_in("/work/a"),),
        executors=(make_executor(),) * executors,
        resources=Resources(cpu_cores=0.25, ram_gb=ram, disk_gb=1),
    )
    limits = {"metadata": {"name": "small"}, "spec": {"limits": list(items)}}
    return PodShape(
        task=task, order="together", filer=LIMITED_FILER_POD, limit_range=limits
    )


def assert_within(resources: JsonObject) -> None:
    """Check that no more is asked for than is allowed."""
    limits = resources.get("limits", {})
    for name, asked in resources.get("requests", {}).items():
        assert parse_amount(asked) <= parse_amount(limits.get(name, asked)), name


SUMS: dict[str, PodShape] = {
    "the least memory of each": pooled(
        containers_limit(min={"memory": "128Mi"}), executors=4
    ),
    "the least processors of each, and a limit for all": pooled(
        containers_limit(min={"cpu": "100m"}, default={"cpu": "200m"}), executors=2
    ),
    "requests as large as the limits": pooled(
        containers_limit(maxLimitRequestRatio={"memory": "1"}), executors=4, ram=1
    ),
}


@pytest.mark.parametrize("shape", SUMS.values(), ids=SUMS)
def test_the_limit_of_a_pod_is_no_less_than_what_its_containers_request_together(
    shape: PodShape,
) -> None:
    spec = shape.job()["spec"]["template"]["spec"]

    assert_within(spec["resources"])


def test_a_pod_whose_containers_request_too_much_together_is_not_made() -> None:
    each = containers_limit(min={"memory": "2Gi"})
    whole = {"type": "Pod", "max": {"memory": "8Gi"}}

    with pytest.raises(StepFailedError, match=f"10 GiB memory {NEEDED} 8 GiB"):
        pooled(each, whole, executors=4).job()


DEFAULT_DISK = (
    containers_limit(default={"ephemeral-storage": "1Gi"}),
    {"type": "Pod", "max": {"ephemeral-storage": "5Gi"}},
)


def without_volume(*, executors: int) -> PodShape:
    """Return a pod that asks for no disk, where each container is given some."""
    made = pooled(*DEFAULT_DISK, executors=executors)
    task = make_assigned_task(executors=(make_executor(),) * executors)
    return replace(made, task=task)


def test_a_limit_that_the_cluster_gives_each_container_is_a_limit_of_the_pod() -> None:
    made = without_volume(executors=5).job()

    assert len(made["spec"]["template"]["spec"]["containers"]) == 5


def test_limits_that_the_cluster_gives_each_container_count_together() -> None:
    with pytest.raises(
        StepFailedError, match=f"6 GiB ephemeral-storage {NEEDED} 5 GiB"
    ):
        without_volume(executors=6).job()


MILLIS = st.integers(1, 2000).map(lambda number: f"{number}m")
MEBIBYTES = st.integers(1, 4096).map(lambda number: f"{number}Mi")
AMOUNTS = {"cpu": MILLIS, "memory": MEBIBYTES, "ephemeral-storage": MEBIBYTES}
BOUND = st.fixed_dictionaries({}, optional=AMOUNTS)
RATIO = st.fixed_dictionaries({}, optional=dict.fromkeys(AMOUNTS, st.just("1.5")))
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(("Container", "Pod"))},
        optional={
            "min": BOUND,
            "max": BOUND,
            "default": BOUND,
            "maxLimitRequestRatio": RATIO,
        },
    ),
    max_size=3,
)


@given(items=ITEMS, executors=st.integers(1, 4))
def test_nothing_requests_more_than_its_limit_whatever_the_limits_of_the_namespace(
    items: list[JsonObject], executors: int
) -> None:
    try:
        made = pooled(*items, executors=executors).job()
    except StepFailedError:
        return  # which is said before anything is created

    spec = made["spec"]["template"]["spec"]
    assert_within(spec["resources"])
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        assert_within(container["resources"])
