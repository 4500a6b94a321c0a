"""General rules of plans: what is mounted, collected, made and refused."""

import glob
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.strategies import tasks
from builders.tasks import (
    file_in,
    file_out,
    folder_in,
    make_assigned_task,
    make_executor,
    reference_in,
)
from tesk_model.names import Attempt
from tesk_model.paths import (
    is_pattern,
    is_system_directory,
    is_within,
    normalize,
    parent,
)
from tesk_model.task import FileType, Input, Output, Resources, Task, TaskId
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import (
    NONE_OCCUPIED,
    OccupiedDirectories,
    PlanError,
    directories_to_inspect,
    plan_task,
)

ATTEMPT = Attempt(TaskId("t1"), 1)


def plan(task: Task, occupied: OccupiedDirectories = NONE_OCCUPIED) -> Plan:
    return plan_task(task, ATTEMPT, occupied)


REFUSED = {
    "a reference over programs": (
        make_assigned_task(inputs=(reference_in("/usr/bin", "ref://r/"),)),
        "inputs[0].path: /usr/bin holds",
    ),
    "a reference by a malformed url": (
        make_assigned_task(inputs=(reference_in("/a", "ref://r/../x"),)),
        'inputs[0].url: must not contain ".." segments',
    ),
    "an output in a reference": (
        make_assigned_task(
            inputs=(reference_in("/ref", "ref://r/"),), outputs=(file_out("/ref/a"),)
        ),
        "/ref/a cannot be there: inputs[0] is a reference, which is read-only",
    ),
    "a file in a reference that is a file": (
        make_assigned_task(inputs=(reference_in("/a/b"), file_in("/a/b/c"))),
        "/a/b/c cannot be there: inputs[0] is a reference, which is read-only",
    ),
    "a reference in an input file": (
        make_assigned_task(inputs=(file_in("/opt/a"), reference_in("/opt/a/b"))),
        "/opt/a/b cannot be there: /opt/a is a file",
    ),
    "amounts that nobody has filled in": (
        make_assigned_task(resources=Resources(cpu_cores=1, ram_gb=1)),
        "resources: the scheduler has not filled in",
    ),
    "an input directory over programs": (
        make_assigned_task(inputs=(folder_in("/usr/bin"),)),
        "inputs[0].path: /usr/bin holds",
    ),
    "an input file in the place of programs": (
        make_assigned_task(inputs=(file_in("/usr"),)),
        "inputs[0].path: /usr holds",
    ),
    "an input file in an input file": (
        make_assigned_task(inputs=(file_in("/opt/a"), file_in("/opt/a/b"))),
        "/opt/a/b cannot be there: /opt/a is a file",
    ),
    "a volume over the configuration": (
        make_assigned_task(volumes=("/work", "/etc/")),
        "volumes[1]: /etc holds",
    ),
}


@pytest.mark.parametrize(("task", "words"), REFUSED.values(), ids=REFUSED)
def test_a_task_that_cannot_be_planned_is_refused(task: Task, words: str) -> None:
    with pytest.raises(PlanError, match=re.escape(words)):
        plan(task)


VOLUMES = {
    "nothing shared": (make_assigned_task(), False),
    "a volume": (make_assigned_task(volumes=("/a",)), True),
    "an input among programs": (make_assigned_task(inputs=(file_in("/x"),)), True),
    "an output at the root": (make_assigned_task(outputs=(file_out("/x"),)), True),
    "a redirect at the root": (
        make_assigned_task(executors=(make_executor(stdout="/x"),)),
        True,
    ),
    "a working directory alone": (
        make_assigned_task(executors=(make_executor(workdir="/x"),)),
        False,
    ),
}


@pytest.mark.parametrize(("task", "want"), VOLUMES.values(), ids=VOLUMES)
def test_a_volume_is_needed_if_anything_is_shared(task: Task, *, want: bool) -> None:
    assert plan(task).has_volume is want


def planned_or_none(
    task: Task, occupied: OccupiedDirectories = NONE_OCCUPIED
) -> Plan | None:
    try:
        return plan(task, occupied)
    except PlanError:
        return None


@given(tasks)
def test_planning_twice_gives_the_same(task: Task) -> None:
    assert planned_or_none(task) == planned_or_none(task)


@given(tasks)
def test_images_are_inspected_only_for_directories_that_the_task_does_not_name(
    task: Task,
) -> None:
    try:
        questions = directories_to_inspect(task)
    except PlanError:
        return
    for directories in questions.values():
        assert not any(map(is_system_directory, directories))
        assert list(directories) == sorted(directories)
        assert not {normalize(volume) for volume in task.volumes} & {*directories}


@given(tasks)
def test_mounts_do_not_overlap(task: Task) -> None:
    planned = planned_or_none(task)
    for step in planned.executors if planned else ():
        for mount in step.mounts:
            others = [other.path for other in step.mounts if other is not mount]
            assert not any(is_within(mount.path, other) for other in others)


@given(tasks)
def test_only_what_the_user_names_is_mounted_where_images_own(task: Task) -> None:
    named = {normalize(volume) for volume in task.volumes}
    entries: list[Input | Output] = [*task.inputs, *task.outputs]
    for entry in entries:
        if entry.type is FileType.DIRECTORY:
            named.add(normalize(entry.path))

    planned = planned_or_none(task)

    for step in planned.executors if planned else ():
        for mount in step.mounts:
            owned = is_system_directory(mount.path) and not mount.is_file
            assert not owned or mount.path in named


@st.composite
def answered(draw: st.DrawFn) -> tuple[Task, OccupiedDirectories]:
    """Return a task, and what its images answer."""
    task = draw(tasks)
    try:
        questions = directories_to_inspect(task)
    except PlanError:
        return task, NONE_OCCUPIED
    return task, {
        image: draw(st.sets(st.sampled_from(asked)))
        for image, asked in questions.items()
    }


@given(answered())
def test_files_of_an_image_are_hidden_only_by_directories_that_the_task_names(
    drawn: tuple[Task, OccupiedDirectories],
) -> None:
    task, occupied = drawn
    planned = planned_or_none(task, occupied)
    named = {normalize(volume) for volume in task.volumes}
    entries: list[Input | Output] = [*task.inputs, *task.outputs]
    named |= {normalize(e.path) for e in entries if e.type is FileType.DIRECTORY}
    for step in planned.executors if planned else ():
        kept = occupied.get(step.executor.image, ())
        for mount in step.mounts:
            assert mount.is_file or mount.path in named or mount.path not in kept


@given(answered())
def test_only_mounts_depend_on_what_images_have(
    drawn: tuple[Task, OccupiedDirectories],
) -> None:
    planned, other = planned_or_none(*drawn), planned_or_none(drawn[0])

    if planned is not None and other is not None:
        assert replace(planned, executors=()) == replace(other, executors=())
        assert planned.has_volume is other.has_volume


@given(answered())
def test_every_path_is_mounted_or_collected(
    drawn: tuple[Task, OccupiedDirectories],
) -> None:
    task, occupied = drawn
    planned = planned_or_none(task, occupied)
    for step in planned.executors if planned else ():
        wanted = [entry.path for entry in task.inputs]
        wanted += [entry.path for entry in task.outputs] + list(task.volumes)
        own = step.executor
        wanted += [path for path in (own.stdout, own.stderr) if path]
        for path in map(normalize, wanted):
            mounted = any(is_within(path, mount.path) for mount in step.mounts)
            above = path.endswith("*") and any(
                is_within(parent(path), mount.path) for mount in step.mounts
            )
            collected = path in step.collect or glob.escape(path) in step.collect
            assert mounted or above or collected
        if own.stdin and planned is not None and planned.has_volume:
            stdin = normalize(own.stdin)
            mounted = any(is_within(stdin, mount.path) for mount in step.mounts)
            assert mounted is not step.stdin_in_volume


@given(tasks)
def test_every_output_is_made_readable_literally_or_as_its_pattern(task: Task) -> None:
    planned = planned_or_none(task)
    if planned is None:
        return
    patterns = set(planned.outputs)
    for output in task.outputs:
        path = normalize(output.path)
        pattern = is_pattern(output.path, output.path_prefix)
        assert (path if pattern else glob.escape(path)) in patterns
    assert len(patterns) == len(planned.outputs) <= len(task.outputs)


@given(tasks)
def test_directories_come_parents_first_and_within_mounts(task: Task) -> None:
    planned = planned_or_none(task)
    if planned is None:
        return
    seen: set[str] = set()
    mounted = {mount.path for mount in planned.executors[0].mounts}
    for directory in planned.directories:
        assert directory in mounted or parent(directory) in seen
        seen.add(directory)
