"""A task that a cluster cannot run fails with a message before it begins."""

import re

import pytest

from builders.tasks import (
    file_in,
    file_out,
    make_assigned_task,
    make_executor,
    reference_in,
)
from taskmasters.manifests import (
    ATTEMPT,
    CUSTOM_POD,
    OFFERS,
    asking,
    context,
    manifests,
    wishing,
)
from tesk_model.task import Task
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import check_executors
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.ports import StepFailedError

REFUSED: dict[str, tuple[Task, str]] = {
    "a colon in a directory": (
        make_assigned_task(volumes=("/a:b",)),
        "/a:b cannot be mounted: Kubernetes takes no path with a colon",
    ),
    "a colon in a file among programs": (
        make_assigned_task(inputs=(file_in("/usr/local/bin/a:b"),)),
        "/usr/local/bin/a:b cannot be mounted",
    ),
    "a path of ours": (
        make_assigned_task(volumes=("/.tesk/x",)),
        "/.tesk/x cannot be mounted: /.tesk belongs to TESK",
    ),
    "a path in a read-only volume of the deployment": (
        make_assigned_task(outputs=(file_out("/reference/index"),)),
        "/reference cannot be mounted: /reference is a read-only volume",
    ),
    "a reference that is not there": (
        make_assigned_task(inputs=(reference_in("/a", "ref://grch37/a"),)),
        "inputs[0].url: ref://grch37/a: this cluster has no such reference (any more)",
    ),
    "a colon in the path of a reference": (
        make_assigned_task(inputs=(reference_in("/a:b"),)),
        "/a:b cannot be mounted: Kubernetes takes no path with a colon",
    ),
    "a reference in a read-only volume of the deployment": (
        make_assigned_task(inputs=(reference_in("/reference/a"),)),
        "/reference/a cannot be mounted: /reference is a read-only volume",
    ),
    "a variable that Kubernetes does not take": (
        make_assigned_task(executors=(make_executor(env={"ü": "1"}),)),
        r"the environment variable '\xfc' cannot be set",
    ),
    "a pool that is not there": (
        wishing(pool="huge"),
        'resources.backend_parameters.pool: "huge" is not offered here (highmem, steady)',
    ),
    "more GPUs than allowed": (
        wishing(gpu="5"),
        'resources.backend_parameters.gpu: "5" is not offered here (1 to 4)',
    ),
    "no GPU": (wishing(gpu="0"), '.gpu: "0" is not offered here (1 to 4)'),
    "GPUs in words": (wishing(gpu="two"), '.gpu: "two" is not offered'),
    "an unknown type of GPU": (
        wishing(gpu_type="b200"),
        '.gpu_type: "b200" is not offered here (a100, h100)',
    ),
    "any type of GPU": (wishing(gpu_type="*"), '.gpu_type: "*" is not offered here'),
    "a priority that is not allowed": (
        wishing(priority_class="system-node-critical"),
        '.priority_class: "system-node-critical" is not offered here (urgent, whenever)',
    ),
    "a runtime that is not allowed": (
        wishing(runtime_class="kata"),
        '.runtime_class: "kata" is not offered here (gvisor)',
    ),
    "a zone that no label can name": (
        asking(zones=("a", "b c")),
        'resources.zones: "b c" is not a valid zone name',
    ),
    "wishes that exclude each other": (
        asking(preemptible=True, backend_parameters={"pool": "steady"}),
        'no node suits both preemptible and pool "steady"',
    ),
}


@pytest.mark.parametrize(("task", "words"), REFUSED.values(), ids=REFUSED)
def test_a_step_that_a_cluster_cannot_run_fails_with_a_message(
    task: Task, words: str
) -> None:
    with pytest.raises(StepFailedError, match=re.escape(words)) as refusal:
        manifests(task, OFFERS, CUSTOM_POD)

    assert not refusal.value.lost


@pytest.mark.parametrize(("task", "words"), REFUSED.values(), ids=REFUSED)
def test_an_executor_that_cannot_run_fails_before_anything_is_created(
    task: Task, words: str
) -> None:
    plan = plan_task(task, ATTEMPT)

    with pytest.raises(StepFailedError, match=re.escape(words)):
        check_executors(plan, CUSTOM_POD, context=context(OFFERS))


def test_gpus_are_not_offered_by_default() -> None:
    with pytest.raises(StepFailedError, match=re.escape("not offered here (none)")):
        manifests(wishing(gpu="1"))
