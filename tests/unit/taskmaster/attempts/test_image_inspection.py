"""Images are inspected before their executors start, so that mounts hide no files."""

from dataclasses import replace

from builders.tasks import make_assigned_task, make_executor
from fakes.taskmaster_runtime import Step, ended
from taskmasters.running import ATTEMPT, TaskmasterHarness, assignment, outcome
from tesk_model.events import Outcome
from tesk_model.task import Input, Output, Task
from tesk_taskmaster.ports import StepFailedError


def two_images() -> Task:
    return make_assigned_task(
        inputs=(Input(path="/app/in", content="x"),),
        outputs=(Output(path="/data/out", url="s3://b/o"),),
        executors=(
            make_executor(image="one", command=("true",)),
            make_executor(image="other", command=("true",)),
            make_executor(image="one", command=("true",)),
        ),
    )


def mounts_of_executors(harness: TaskmasterHarness) -> list[dict[str, bool]]:
    started = zip(harness.state.plans, harness.state.started, strict=True)
    return [
        {mount.path: mount.is_file for mount in plan.executors[int(step[1:])].mounts}
        for plan, (_, step) in started
        if step.startswith("x")
    ]


def test_each_image_is_asked_once_and_its_files_stay_visible(
    harness: TaskmasterHarness,
) -> None:
    harness.state.occupied.add("/app")

    told = harness.finish(assignment(two_images()))

    assert outcome(told).outcome is Outcome.COMPLETE
    assert harness.state.inspected == [
        ("one", ("/app", "/data")),
        ("other", ("/app", "/data")),
    ]
    assert harness.state.inspected_ahead == [
        {0: ["/app", "/data"], 1: ["/app", "/data"]},
    ]
    assert mounts_of_executors(harness) == [{"/app/in": True, "/data": False}] * 3


def test_a_task_with_many_images_inspects_few_ahead(harness: TaskmasterHarness) -> None:
    images = tuple(f"image-{number}" for number in range(20))
    executors = tuple(make_executor(image=image) for image in images)

    harness.finish(assignment(replace(two_images(), executors=executors)))

    assert [list(asked) for asked in harness.state.inspected_ahead] == [[0, 1]]
    assert [image for image, _ in harness.state.inspected] == list(images)


def test_a_task_that_shares_nothing_inspects_no_image(
    harness: TaskmasterHarness,
) -> None:
    harness.finish(assignment())

    assert harness.state.inspected == []
    assert harness.state.inspected_ahead == []


def test_images_of_started_executors_are_not_inspected(
    harness: TaskmasterHarness,
) -> None:
    harness.state.steps[ATTEMPT] = {"x0": Step(ended(0)), "x1": Step(ended(0))}

    harness.finish(
        assignment(
            two_images(),
            last_sequence=3,
            finished_executors={0: 0},
            started_executors=frozenset({0, 1}),
            inputs_finished=True,
        )
    )

    assert harness.state.inspected == [("one", ("/app", "/data"))]  # for the third


def test_an_image_that_cannot_be_inspected_ends_the_attempt(
    harness: TaskmasterHarness,
) -> None:
    harness.state.failures["inspect"] = StepFailedError(
        "image one cannot be pulled: no"
    )

    told = harness.finish(assignment(two_images()))

    assert outcome(told).outcome is Outcome.SYSTEM_ERROR
    assert outcome(told).reason.text == "image one cannot be pulled: no"
    assert [step for _, step in harness.state.started] == ["in"]
