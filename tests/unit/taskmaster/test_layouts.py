"""Which layout a task gets, and in which order the steps of a pod begin."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.strategies import tasks
from builders.tasks import file_in, make_assigned_task, make_executor
from tesk_model.names import Attempt
from tesk_model.task import Output, Resources, Task, TaskId
from tesk_taskmaster.domain.layouts import (
    Layout,
    LayoutError,
    LayoutOffer,
    Order,
    PodVolume,
    choose_layout,
)
from tesk_taskmaster.domain.planning import PlanError, plan_task

GIB = 1024**3
ATTEMPT = Attempt(TaskId("t1"), 1)
ALL = ("jobs", "pod", "auto")
POD = LayoutOffer(layout="pod")
AUTO = LayoutOffer(layout="auto")
NEW = replace(POD, pod_resources=True)

HERE = "as this installation has it"
MEMORY = (
    "containers that start together would each hold their memory: this cluster has no "
    "resources of pods"
)
DIRECTORY = "a directory that an earlier executor may replace must be mounted after it"
FILE = "a file among those of an image must be there before its container"


def asking(executors: int = 1, disk_gb: float = 10, **wishes: str) -> Task:
    return make_assigned_task(
        inputs=(file_in("/work/a"),),
        executors=(make_executor(),) * executors,
        resources=Resources(
            cpu_cores=1, ram_gb=1, disk_gb=disk_gb, backend_parameters=wishes
        ),
    )


def with_a_file_of_an_image() -> Task:
    return make_assigned_task(inputs=(file_in("/usr/local/bin/tool"),))


CHOICES: dict[str, tuple[Task, LayoutOffer, str, str]] = {
    "Jobs are the default": (
        asking(),
        LayoutOffer(),
        "jobs",
        HERE,
    ),
    "the installation wants pods": (
        asking(),
        POD,
        "pod, together",
        HERE,
    ),
    "a task asks for a pod": (
        asking(layout="pod"),
        LayoutOffer(allowed=ALL),
        "pod, together",
        "as the task asks",
    ),
    "a task asks for Jobs": (
        asking(layout="jobs"),
        replace(POD, allowed=ALL),
        "jobs",
        "as the task asks",
    ),
    "a task asks for either": (
        asking(layout="auto"),
        LayoutOffer(allowed=ALL),
        "pod, together",
        "as the task asks",
    ),
    "a volume too large for a node": (
        asking(disk_gb=11),
        replace(AUTO, max_disk=10 * GIB),
        "jobs",
        "resources.disk_gb: is more than what a pod can have of a node here, 10 GiB",
    ),
    "a volume that just fits": (
        asking(disk_gb=10),
        replace(AUTO, max_disk=10 * GIB),
        "pod, together",
        HERE,
    ),
    "a large volume that is not of the node": (
        asking(disk_gb=11),
        replace(AUTO, max_disk=10 * GIB, volume=PodVolume.EPHEMERAL),
        "pod, together",
        HERE,
    ),
    "no volume at all": (
        make_assigned_task(),
        replace(AUTO, max_disk=1),
        "pod, together",
        HERE,
    ),
    "templates that cannot share a pod": (
        asking(),
        replace(AUTO, problem="spec.hostNetwork: filers alone have it"),
        "jobs",
        "its steps cannot share a pod here: spec.hostNetwork: filers alone have it",
    ),
    "several executors on a new cluster": (
        asking(executors=2),
        NEW,
        "pod, together",
        HERE,
    ),
    "as many executors as start together": (
        asking(executors=50),
        NEW,
        "pod, together",
        HERE,
    ),
    "more executors than start together": (
        asking(executors=51),
        NEW,
        "pod, sequence",
        f"{HERE}; at most 50 executors start together",
    ),
    "several executors on an old cluster": (
        asking(executors=2),
        POD,
        "pod, sequence",
        f"{HERE}; {MEMORY}",
    ),
    "several executors on an old cluster, although together is wanted": (
        asking(executors=2),
        replace(POD, order="together"),
        "pod, sequence",
        f"{HERE}; {MEMORY}",
    ),
    "sequence is wanted": (
        asking(),
        replace(NEW, order="sequence"),
        "pod, sequence",
        HERE,
    ),
    "one executor with a GPU": (
        asking(gpu="1"),
        NEW,
        "pod, together",
        HERE,
    ),
    "several executors with a GPU": (
        asking(executors=2, gpu_type="a100"),
        NEW,
        "pod, sequence",
        f"{HERE}; containers that start together would each hold GPUs",
    ),
    "a file in a directory of the image": (
        with_a_file_of_an_image(),
        NEW,
        "pod, sequence",
        f"{HERE}; {FILE}",
    ),
}

REFUSALS = {
    "a layout that is not offered": (
        asking(layout="pod"),
        LayoutOffer(allowed=("jobs", "auto")),
        'resources.backend_parameters.layout: "pod" is not offered here (jobs, auto)',
    ),
    "none is offered": (
        asking(layout="pod"),
        LayoutOffer(),
        'resources.backend_parameters.layout: "pod" is not offered here (none)',
    ),
    "a volume too large for a node": (
        asking(disk_gb=11),
        replace(POD, max_disk=10 * GIB),
        "resources.disk_gb: is more than what a pod can have of a node here, 10 GiB",
    ),
    "templates that cannot share a pod": (
        asking(layout="pod"),
        LayoutOffer(allowed=ALL, problem="spec.hostNetwork: filers alone have it"),
        "its steps cannot share a pod here: spec.hostNetwork: filers alone have it",
    ),
}


@pytest.mark.parametrize(
    ("task", "offer", "choice", "why"), CHOICES.values(), ids=CHOICES
)
def test_the_layout_is_chosen_by_what_is_asked_and_offered(
    task: Task, offer: LayoutOffer, choice: str, why: str
) -> None:
    found = choose_layout(plan_task(task, ATTEMPT), offer)

    assert (str(found), found.why) == (choice, why)


OCCUPIED = {
    "an earlier executor sees the directory above": ("ab", "pod, sequence"),
    "a later executor does": ("ba", "pod, together"),
    "all see the same": ("aa", "pod, together"),
}


@pytest.mark.parametrize(("images", "choice"), OCCUPIED.values(), ids=OCCUPIED)
def test_a_directory_is_mounted_after_who_may_replace_it(
    images: str, choice: str
) -> None:
    executors = (make_executor(image=each, workdir="/work") for each in images)
    task = make_assigned_task(executors=tuple(executors), volumes=("/work/data",))

    found = choose_layout(plan_task(task, ATTEMPT, {"b": ("/work",)}), NEW)

    assert str(found) == choice
    assert (DIRECTORY in found.why) == (choice == "pod, sequence")


@pytest.mark.parametrize(("task", "offer", "message"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_had_is_refused_with_the_reason(
    task: Task, offer: LayoutOffer, message: str
) -> None:
    with pytest.raises(LayoutError) as raised:
        choose_layout(plan_task(task, ATTEMPT), offer)

    assert str(raised.value) == message


def test_a_task_with_outputs_that_may_be_repeated_gets_jobs() -> None:
    task = make_assigned_task(outputs=(Output(path="/out/a", url="s3://b/a"),))
    plan = replace(plan_task(task, ATTEMPT), may_be_repeated=True)

    with pytest.raises(LayoutError, match="a failure that is repeated"):
        choose_layout(plan, POD)
    choice = choose_layout(plan, replace(POD, layout="auto"))
    assert choice.layout is Layout.JOBS
    nothing = replace(plan, has_outputs=False)
    assert choose_layout(nothing, POD).layout is Layout.POD


@given(
    task=tasks,
    layout=st.sampled_from(ALL),
    order=st.sampled_from(["auto", "together", "sequence"]),
    volume=st.sampled_from(PodVolume),
    pod_resources=st.booleans(),
)
def test_what_starts_together_never_adds_up(
    task: Task, *, layout: str, order: str, volume: PodVolume, pod_resources: bool
) -> None:
    offer = LayoutOffer(
        layout=layout, order=order, volume=volume, pod_resources=pod_resources
    )
    try:
        plan = plan_task(task, ATTEMPT)
    except PlanError:
        return
    choice = choose_layout(plan, offer)

    assert (choice.order is None) == (choice.layout is Layout.JOBS)
    if choice.order is Order.TOGETHER:
        assert pod_resources or len(plan.executors) == 1
