"""What is mounted where: reviewed plans in tests/golden/plans, and general rules.

See ``reviewed.files`` on how they are written anew.
"""

import glob
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.strategies import tasks
from builders.tasks import make_assigned_task, make_executor
from reviewed.files import file_name, reviewed_text
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

GOLDEN = Path(__file__).parents[2] / "golden" / "plans"
ATTEMPT = Attempt(TaskId("t1"), 1)


def file_in(path: str) -> Input:
    return Input(path=path, url="s3://b/k")


def folder_in(path: str) -> Input:
    return Input(path=path, url="s3://b/k", type=FileType.DIRECTORY)


def file_out(path: str, prefix: str | None = None) -> Output:
    return Output(path=path, url="s3://b/o", path_prefix=prefix)


def folder_out(path: str) -> Output:
    return Output(path=path, url="s3://b/o", type=FileType.DIRECTORY)


SHAPES: dict[str, Task] = {
    "no input and no output needs no volume": make_assigned_task(),
    "a volume alone": make_assigned_task(volumes=("/vol/A/",)),
    "an input file shares its directory": make_assigned_task(
        inputs=(file_in("/work/a"),)
    ),
    "inline content is an input": make_assigned_task(
        inputs=(Input(path="/work/run.sh", content="echo"),)
    ),
    "two inputs in one directory are one mount": make_assigned_task(
        inputs=(file_in("/work/a"), file_in("/work/b"))
    ),
    "an input directory": make_assigned_task(inputs=(folder_in("/data/ref/"),)),
    "an input below a volume": make_assigned_task(
        volumes=("/vol",), inputs=(file_in("/vol/in/a"),)
    ),
    "an output file shares its directory": make_assigned_task(
        outputs=(file_out("/out/b"),)
    ),
    "an output directory": make_assigned_task(outputs=(folder_out("/results"),)),
    "an output below an output directory": make_assigned_task(
        outputs=(file_out("/xIjTHY/out.txt"), folder_out("/xIjTHY"))
    ),
    "an input that is also an output": make_assigned_task(
        inputs=(file_in("/cromwell/execution/script"),),
        outputs=(file_out("/cromwell/execution/script"),),
    ),
    "a pattern shares the directory above it": make_assigned_task(
        outputs=(file_out("/work/*.txt", "/work"),)
    ),
    "a pattern in the middle of a path": make_assigned_task(
        outputs=(file_out("/work/sample-?/x/*.bam", "/work"),)
    ),
    "brackets without prefix are literal": make_assigned_task(
        outputs=(file_out("/work/a[1].txt"),)
    ),
    "an input at the root is a single file": make_assigned_task(
        inputs=(file_in("/data.txt"),)
    ),
    "an input among programs is a single file": make_assigned_task(
        inputs=(file_in("/usr/local/bin/tool"), file_in("/etc/tool.conf"))
    ),
    "an output at the root is collected": make_assigned_task(
        outputs=(file_out("/result.txt"),)
    ),
    "an output with brackets at the root is collected literally": make_assigned_task(
        outputs=(file_out("/result[1].txt"),)
    ),
    "a pattern at the root is collected": make_assigned_task(
        outputs=(file_out("/*.txt", "/"),)
    ),
    "a pattern among programs is collected": make_assigned_task(
        outputs=(file_out("/usr/local/*/log", "/usr/local"),)
    ),
    "an input at the root that is also an output stays a file": make_assigned_task(
        inputs=(file_in("/state.db"),), outputs=(file_out("/state.db"),)
    ),
    "a named directory below opt is mounted": make_assigned_task(
        inputs=(folder_in("/opt/reference"),), outputs=(file_out("/opt/reference/i"),)
    ),
    "an output directory that holds programs is collected": make_assigned_task(
        outputs=(folder_out("/usr/local/bin"),)
    ),
    "redirects share their directories": make_assigned_task(
        executors=(make_executor(stdout="/log/out", stderr="/log/sub/err"),)
    ),
    "redirects at the root are collected": make_assigned_task(
        executors=(make_executor(stdout="/out.txt", stderr="/err.txt"),)
    ),
    "stdin of a step comes from the step before": make_assigned_task(
        executors=(
            make_executor(stdout="/pipe/a"),
            make_executor(stdin="/pipe/a", stdout="/pipe/b"),
        )
    ),
    "stdin at the root is a file of that step alone": make_assigned_task(
        executors=(make_executor(stdout="/a.txt"), make_executor(stdin="/a.txt"))
    ),
    "a workdir in a mount is made there": make_assigned_task(
        volumes=("/work",), executors=(make_executor(workdir="/work/x/y"),)
    ),
    "a workdir alone is left to the engine": make_assigned_task(
        executors=(make_executor(workdir="/somewhere"),)
    ),
    "a workdir is shared as soon as anything is": make_assigned_task(
        inputs=(file_in("/in/a"),), executors=(make_executor(workdir="/work"),)
    ),
    "what is below a workdir is the command's to make": make_assigned_task(
        outputs=(
            file_out("/work/b/c.txt"),
            folder_out("/work/d"),
            file_out("/work/g/*.txt", "/work"),
        ),
        executors=(make_executor(workdir="/work", stderr="/work/log/err"),),
    ),
    "what is below an input is the command's to make": make_assigned_task(
        inputs=(file_in("/data/a"),),
        outputs=(folder_out("/data/out"), file_out("/data/more/x")),
    ),
    "what is below an output is the command's to make": make_assigned_task(
        outputs=(file_out("/out/a"), file_out("/out/b/c"), folder_out("/out/d")),
    ),
    "what is below a volume is the command's to make, but another volume": (
        make_assigned_task(volumes=("/v", "/v/w"), outputs=(file_out("/v/b/c"),))
    ),
    "a workdir at the root hides nothing": make_assigned_task(
        outputs=(file_out("/out/sorted.txt"), file_out("/result.txt")),
        executors=(make_executor(workdir="/"),),
    ),
    "a workdir below another is made by its executor": make_assigned_task(
        volumes=("/work",),
        executors=(make_executor(workdir="/work"), make_executor(workdir="/work/new")),
    ),
    "two stars and alternatives": make_assigned_task(
        outputs=(
            file_out("/work/r/**/*.txt", "/work/r"),
            file_out("/out/{a,b}/x.txt"),
            file_out("/usr/share/*.{c,d}", "/usr/share"),
        ),
    ),
    "tmp may be replaced": make_assigned_task(
        inputs=(Input(path="/tmp/run_snakemake.sh", content="x"),),
        executors=(make_executor(workdir="/tmp"),),
    ),
    "nested and doubled directories collapse": make_assigned_task(
        volumes=("/a", "/a/b", "/a//b/", "/ab"), inputs=(folder_in("/a/b/c"),)
    ),
    "names with blanks, colons and unicode": make_assigned_task(
        inputs=(file_in("/wörk dir/a: b,c"),)
    ),
    "ignore_error changes nothing of the plan": make_assigned_task(
        executors=(make_executor(ignore_error=True), make_executor())
    ),
    "memory and disk are rounded up to whole bytes": make_assigned_task(
        resources=Resources(cpu_cores=0.5, ram_gb=1.1, disk_gb=0.3)
    ),
    "zones, preemptible and backend parameters are passed on": make_assigned_task(
        resources=Resources(
            cpu_cores=1,
            ram_gb=2,
            disk_gb=10,
            zones=("eu-1a", "eu-1b"),
            preemptible=True,
            backend_parameters={"pool": "fast"},
        )
    ),
    "inputs of a staged workflow step": make_assigned_task(
        inputs=(
            file_in("/var/lib/cwl/stg1/f"),
            file_in("/var/lib/cwl/stg2/g"),
        ),
        outputs=(file_out("/xIjTHY/o"),),
        executors=(make_executor(workdir="/xIjTHY", stdout="/xIjTHY/o"),),
    ),
}


# Where an image has something; what else is asked about, it has not.
IMAGES: dict[str, tuple[Task, OccupiedDirectories]] = {
    "an input in the image's directory is a single file": (
        make_assigned_task(inputs=(file_in("/app/in.txt"), file_in("/data/a"))),
        {"busybox": ["/app"]},
    ),
    "outputs, patterns and redirects in the image's directory are collected": (
        make_assigned_task(
            outputs=(file_out("/app/r.txt"), file_out("/app/*.log", "/app")),
            executors=(make_executor(stdout="/app/out.txt"),),
        ),
        {"busybox": ["/app"]},
    ),
    "a directory below the image's is shared": (
        make_assigned_task(
            inputs=(file_in("/app/in.txt"), file_in("/app/ref/x")),
            executors=(make_executor(stderr="/app/log/err"),),
        ),
        {"busybox": ["/app"]},
    ),
    "a directory that the task names is mounted whatever is there": (
        make_assigned_task(volumes=("/app",), outputs=(file_out("/app/x"),)),
        {"busybox": ["/app"]},
    ),
    "a workdir where the image has its program": (
        make_assigned_task(
            inputs=(file_in("/app/in.txt"),),
            outputs=(folder_out("/app/results"), file_out("/app/b/c.txt")),
            executors=(make_executor(workdir="/app"),),
        ),
        {"busybox": ["/app"]},
    ),
    "each executor by its own image": (
        make_assigned_task(
            outputs=(file_out("/app/a"),),
            executors=(
                make_executor(image="one", stdout="/app/a"),
                make_executor(image="other", stdin="/app/a"),
            ),
        ),
        {"one": ["/app"], "other": []},
    ),
    "stdin that may be a file of the image": (
        make_assigned_task(
            inputs=(file_in("/in/a"),),
            executors=(make_executor(stdin="/app/words"),),
        ),
        {"busybox": ["/app"]},
    ),
}


def plan(task: Task, occupied: OccupiedDirectories = NONE_OCCUPIED) -> Plan:
    return plan_task(task, ATTEMPT, occupied)


def readable(plan: Plan) -> str:
    document = asdict(plan)
    assert document.pop("waiting_since") is None  # is not planned
    for step in document["executors"]:
        step["executor"] = " ".join(step["executor"]["command"])
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


ALL = {name: (task, NONE_OCCUPIED) for name, task in SHAPES.items()} | IMAGES


@pytest.mark.parametrize("name", ALL)
def test_plan_is_the_reviewed_one(name: str) -> None:
    planned = readable(plan(*ALL[name]))

    assert planned == reviewed_text(GOLDEN / f"{file_name(name)}.json", planned)


def test_every_reviewed_plan_has_its_shape() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(map(file_name, ALL))


REFUSED = {
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
def test_images_are_asked_only_about_directories_that_nobody_names(task: Task) -> None:
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
