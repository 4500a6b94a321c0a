"""Reviewed plans of tasks, in tests/golden/plans.

See ``reviewed.files`` on how they are written anew.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from builders.tasks import (
    file_in,
    file_out,
    folder_in,
    folder_out,
    make_assigned_task,
    make_executor,
    reference_in,
)
from reviewed.files import file_name, reviewed_text
from tesk_model.names import Attempt
from tesk_model.task import Input, Resources, Task, TaskId
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import (
    NONE_OCCUPIED,
    OccupiedDirectories,
    plan_task,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "plans"


ATTEMPT = Attempt(TaskId("t1"), 1)


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
    "references alone need no filer and no volume": make_assigned_task(
        inputs=(
            reference_in("/data/genome.fa"),
            reference_in("/ref", "ref://grch38/bwa/"),
        )
    ),
    "references in what is copied or shared are mounts of their own": make_assigned_task(
        inputs=(
            folder_in("/data"),
            reference_in("/data/bwa", "ref://grch38/bwa/"),
            reference_in("/work/genome.fa"),
        ),
        outputs=(file_out("/work/out.bam"),),
    ),
    "reading and working in a reference shares nothing of it": make_assigned_task(
        inputs=(reference_in("/ref", "ref://grch38/"),),
        executors=(
            make_executor(workdir="/ref/bwa", stdin="/ref/list", stdout="/o/x"),
        ),
    ),
    "a reference among programs is a single file": make_assigned_task(
        inputs=(reference_in("/usr/local/share/genome.fa"),)
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
    assert document["placement"].pop("groups") == ()  # nor is that
    assert document.pop("may_be_repeated") is False  # nor that
    assert document.pop("has_results") is False  # nor that
    for step in document["executors"]:
        step["executor"] = " ".join(step["executor"]["command"])
        if not step["references"]:
            del step["references"]
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


ALL = {name: (task, NONE_OCCUPIED) for name, task in SHAPES.items()} | IMAGES


@pytest.mark.parametrize("name", ALL)
def test_plan_is_the_reviewed_one(name: str) -> None:
    planned = readable(plan(*ALL[name]))

    assert planned == reviewed_text(GOLDEN / f"{file_name(name)}.json", planned)


def test_every_reviewed_plan_has_its_shape() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(map(file_name, ALL))
