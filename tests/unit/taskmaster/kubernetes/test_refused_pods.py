"""Pods of all steps that cannot be made: refused, or Jobs where either would do."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from taskmasters.attempts import ATTEMPT, NAME
from taskmasters.one_pod import OnePod
from tesk_kubernetes.api import JOBS, LIMIT_RANGES, VOLUME_CLAIMS
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.domain.layouts import Layout
from tesk_taskmaster.ports import StepFailedError


def limit_disk(rig: OnePod, most: str) -> None:
    item = {"type": "Container", "max": {"ephemeral-storage": most}}
    body = {"metadata": {"name": "small"}, "spec": {"limits": [item]}}
    rig.api.create(LIMIT_RANGES, "tasks", body)


def name_many_outputs(rig: OnePod) -> None:
    first = rig.plan.executors[0]
    rig.plan = replace(
        rig.plan,
        executors=tuple(replace(first, index=at) for at in range(4)),
        outputs=tuple(f"/w/{'x' * 80}{number}" for number in range(3000)),
    )


TOO_MUCH: dict[str, tuple[Callable[[OnePod], None], str]] = {
    "the namespace lets a container have less disk": (
        lambda rig: limit_disk(rig, "50Mi"),
        (
            "executors[0]: 10 GiB ephemeral-storage needed, and the LimitRange small of "
            "the cluster lets a container have 50 MiB"
        ),
    ),
    "one object cannot describe all steps": (
        name_many_outputs,
        (
            "the description of all steps takes 1.2 MiB, more than the 1 MiB that one "
            "object of the cluster may have: fewer outputs or shorter paths make it "
            "smaller, and the layout jobs divides it"
        ),
    ),
}
too_much = pytest.mark.parametrize(("ask", "why"), TOO_MUCH.values(), ids=TOO_MUCH)


@too_much
def test_a_pod_that_cannot_be_made_is_refused_before_anything_runs(
    rig: OnePod, ask: Callable[[OnePod], None], why: str
) -> None:
    ask(rig)

    with pytest.raises(StepFailedError, match=re.escape(why)) as failure:
        rig.prepare()

    assert failure.value.code == ReasonCode.POD_REFUSED
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


@too_much
def test_where_either_layout_would_do_such_a_task_gets_jobs(
    rig: OnePod, ask: Callable[[OnePod], None], why: str
) -> None:
    rig.runtimes.offer = replace(rig.runtimes.offer, layout="auto")
    rig.runtime = rig.runtimes.open_runtime()
    ask(rig)

    rig.begin()

    choice = rig.runtime.layout(rig.plan)
    assert choice is not None
    assert choice.layout is Layout.JOBS
    assert choice.why == f"its steps cannot share a pod here: {why}"
    assert [job["metadata"]["name"] for job in rig.api.all(JOBS)] == [f"{NAME}-in"]
    assert len(rig.api.all(VOLUME_CLAIMS)) == 1
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []
