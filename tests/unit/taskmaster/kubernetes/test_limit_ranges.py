"""Resources of an executor are fitted into LimitRanges, or refused at once."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.taskmaster_cluster_runtimes import Programs
from taskmasters.attempts import NOTHING, ClusterHarness
from tesk_kubernetes.api import (
    JOBS,
    LIMIT_RANGES,
    ApiUnavailableError,
    JsonObject,
)
from tesk_kubernetes.quantities import parse_amount
from tesk_kubernetes.templates import main_container
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.manifests.limit_ranges import (
    container_limits,
    fit_resources,
)
from tesk_taskmaster.ports import StepFailedError


def limit_range(kind: str = "Container", **item: Any) -> JsonObject:
    """Return the LimitRange ``tight`` with one item."""
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "tight", "namespace": "tasks"},
        "spec": {"limits": [{"type": kind, **item}]},
    }


def resources(
    cpu: str = "2", memory: str = "1073741824", limit: str = ""
) -> JsonObject:
    """Return what an executor asks for; without a limit of cpu unless given."""
    bounds = {"memory": memory, **({"cpu": limit} if limit else {})}
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": bounds}


FITTED: dict[str, tuple[JsonObject, dict[str, Any], JsonObject]] = {
    "what fits stays as it is": (
        resources(),
        {"max": {"memory": "1Gi"}, "min": {"cpu": "100m"}},
        resources(),
    ),
    "a default below what is asked for is no limit for it": (
        resources(),
        {"default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}},
        resources(limit="2000m"),
    ),
    "a default above it is": (
        resources(),
        {"default": {"cpu": "3"}},
        resources(limit="3000m"),
    ),
    "the most needs a limit": (
        resources(),
        {"max": {"cpu": "4"}},
        resources(limit="4000m"),
    ),
    "a limit above the most is lowered": (
        resources(limit="8"),
        {"max": {"cpu": "4"}, "default": {"cpu": "4"}},
        resources(limit="4000m"),
    ),
    "a ratio needs a limit, too": (
        resources(),
        {"maxLimitRequestRatio": {"cpu": "1.5"}},
        resources(limit="3000m"),
    ),
    "a limit beyond the ratio is lowered": (
        resources(limit="8"),
        {"maxLimitRequestRatio": {"cpu": "2"}},
        resources(limit="4000m"),
    ),
    "what is less than the least is raised": (
        resources(cpu="50m", memory="8388608"),
        {"min": {"cpu": "100m", "memory": "16Mi"}},
        resources(cpu="100m", memory="16777216"),
    ),
    "a pod of one container counts as that": (
        resources(),
        {"kind": "Pod", "max": {"cpu": "4"}},
        resources(limit="4000m"),
    ),
    "what is said of claims is not said of pods": (
        resources(),
        {"kind": "PersistentVolumeClaim", "max": {"cpu": "1"}},
        resources(),
    ),
}


@pytest.mark.parametrize(("given_", "item", "want"), FITTED.values(), ids=FITTED)
def test_resources_are_made_to_fit(
    given_: JsonObject, item: dict[str, Any], want: JsonObject
) -> None:
    assert fit_resources(given_, container_limits(limit_range(**item))) == want


REFUSED: dict[str, tuple[JsonObject, dict[str, Any], str]] = {
    "more memory than the most": (
        resources(),
        {"max": {"memory": "512Mi"}},
        (
            "1 GiB memory needed, and the LimitRange tight of the cluster lets a "
            "container have 512 MiB"
        ),
    ),
    "more cpu than the most": (
        resources(cpu="1500m"),
        {"kind": "Pod", "max": {"cpu": "1"}},
        "1.5 cpu needed, and the LimitRange tight of the cluster lets a pod have 1",
    ),
}


@pytest.mark.parametrize(("given_", "item", "want"), REFUSED.values(), ids=REFUSED)
def test_a_request_above_the_limit_range_is_refused_by_name(
    given_: JsonObject, item: dict[str, Any], want: str
) -> None:
    assert fit_resources(given_, container_limits(limit_range(**item))) == want


MILLIS = st.integers(1, 5000).map(lambda millis: f"{millis}m")
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "min": MILLIS,
        "max": MILLIS,
        "default": MILLIS,
        "maxLimitRequestRatio": st.integers(1, 9).map(str),
    },
)


@given(cpu=MILLIS, limit=st.none() | MILLIS, item=ITEMS)
def test_fitted_resources_are_accepted_by_the_cluster(
    cpu: str, limit: str | None, item: dict[str, str]
) -> None:
    wrong = limit is not None and parse_amount(limit) < parse_amount(cpu)
    asked = resources(cpu=cpu, limit="" if wrong else limit or "")
    amounts: dict[str, Any] = {kind: {"cpu": text} for kind, text in item.items()}
    range_ = limit_range(**amounts)

    fitted = fit_resources(asked, container_limits(range_))

    most = parse_amount(item["max"]) if "max" in item else None
    least = max(parse_amount(cpu), parse_amount(item.get("min", 0)))
    if isinstance(fitted, str):
        assert most is not None
        assert least > most
        return
    request = parse_amount(fitted["requests"]["cpu"])
    bound = parse_amount(fitted["limits"].get("cpu", item.get("default", 0)))
    assert request == least
    assert not bound or bound >= request
    if most is not None:
        assert 0 < bound <= most
    if "maxLimitRequestRatio" in item:
        assert 0 < bound <= request * parse_amount(item["maxLimitRequestRatio"])


def test_an_executor_is_made_as_its_namespace_wants(harness: ClusterHarness) -> None:
    harness.api.plant(LIMIT_RANGES, "tasks", limit_range(default={"cpu": "100m"}))
    Programs(harness.api, harness.cluster)
    harness.prepare()
    harness.start()

    (job,) = harness.api.all(JOBS)
    found = main_container(job["spec"]["template"])["resources"]
    assert parse_amount(found["limits"]["cpu"]) >= parse_amount(
        found["requests"]["cpu"]
    )


def test_an_executor_that_requests_too_much_fails_before_anything_is_created(
    harness: ClusterHarness,
) -> None:
    harness.api.plant(LIMIT_RANGES, "tasks", limit_range(max={"memory": "1Mi"}))

    with pytest.raises(StepFailedError, match="the LimitRange tight") as caught:
        harness.prepare()

    assert str(caught.value).startswith("executors[0]: ")
    assert (caught.value.code, caught.value.lost) == (ReasonCode.POD_REFUSED, False)


def test_without_the_right_to_read_them_the_cluster_decides(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(refusal_timeout=NOTHING)
    harness.api.plant(LIMIT_RANGES, "tasks", limit_range(max={"memory": "1Mi"}))
    harness.api.faults.forbid("list", LIMIT_RANGES)
    Programs(harness.api, harness.cluster)

    harness.prepare()
    harness.start()

    assert harness.result().exit_code == 0


def test_limits_that_cannot_be_read_for_a_moment_are_waited_for(
    harness: ClusterHarness,
) -> None:
    harness.api.plant(LIMIT_RANGES, "tasks", limit_range(max={"memory": "1Mi"}))
    harness.api.fail_next("list", LIMIT_RANGES, ApiUnavailableError("away"))

    with pytest.raises(StepFailedError, match="the LimitRange tight"):
        harness.prepare()

    assert harness.report_reason.reasons == ["waiting for the Kubernetes API: away"]
