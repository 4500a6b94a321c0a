"""References on one machine: found, checked, and mounted where no link leads away."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from builders.tasks import folder_in, make_assigned_task, reference_in
from tesk_model.names import Attempt
from tesk_model.task import FileType, Input, TaskId
from tesk_taskmaster.adapters.local.references import (
    ReferenceFolders,
    make_mount_points,
)
from tesk_taskmaster.domain.plan import ExecutorStep
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.ports import StepFailedError


@pytest.fixture
def folders(tmp_path: Path) -> ReferenceFolders:
    root = tmp_path / "grch38"
    (root / "bwa").mkdir(parents=True)
    (root / "genome.fa").write_text("ACGT")
    (root / "inner").symlink_to(root / "genome.fa")
    (tmp_path / "secret").write_text("x")
    (root / "outer").symlink_to("../secret")
    (root / "above").symlink_to("..")
    os.mkfifo(root / "pipe")
    (root / "circle").symlink_to("circle")
    return ReferenceFolders({"grch38": root, "gone": tmp_path / "gone"})


def step_of(*inputs: Input) -> ExecutorStep:
    plan = plan_task(make_assigned_task(inputs=inputs), Attempt(TaskId("t1"), 1))
    return plan.executors[0]


def test_a_reference_is_mounted_from_its_folder(
    folders: ReferenceFolders, tmp_path: Path
) -> None:
    step = step_of(
        reference_in("/a/genome.fa"),
        reference_in("/b", "ref://grch38/bwa/"),
        reference_in("/c", "ref://grch38/"),
        reference_in("/d", "ref://grch38/inner"),
    )

    mounts = folders.mounts(step.references)

    root = tmp_path / "grch38"
    assert [(mount.target, mount.source, mount.is_file) for mount in mounts] == [
        ("/a/genome.fa", root / "genome.fa", True),
        ("/b", root / "bwa", False),
        ("/c", root, False),
        ("/d", root / "genome.fa", True),
    ]


ABSENT = {
    "a missing file": ("ref://grch38/none", "the reference has no such file"),
    "a missing folder": ("ref://grch38/none/", "the reference has no such directory"),
    "a file below a file": ("ref://grch38/genome.fa/x", "has no such file"),
    "a missing reference": ("ref://gone/x", "the reference has no such file"),
    "a reference that is not configured": ("ref://hg19/x", "no such reference"),
    "a link out": ("ref://grch38/outer", "is a link that leads out of the reference"),
    "a way out by a link": ("ref://grch38/above/secret", "leads out of the reference"),
    "links in a circle": ("ref://grch38/circle", "cannot be read"),
    "a file for a folder": (
        "ref://grch38/genome.fa/",
        "is a file; give the input type FILE",
    ),
    "a folder for a file": (
        "ref://grch38/bwa",
        "is a directory; give the input type DIRECTORY",
    ),
    "a pipe for a file": ("ref://grch38/pipe", "is not a file"),
}


@pytest.mark.parametrize(("url", "why"), ABSENT.values(), ids=ABSENT)
def test_what_is_not_there_fails_with_field_and_url(
    folders: ReferenceFolders, url: str, why: str
) -> None:
    entry = reference_in("/a", url)
    step = step_of(Input(path="/z", content="x"), replace(entry, path="/a"))

    with pytest.raises(StepFailedError, match=why) as failure:
        folders.mounts(step.references)

    assert str(failure.value).startswith(f"inputs[1].url: {url}: ")
    assert not failure.value.lost


def test_mount_points_are_made_in_the_volume_alone(tmp_path: Path) -> None:
    step = step_of(
        folder_in("/data"),
        reference_in("/data/x/genome.fa"),
        reference_in("/data/bwa", "ref://grch38/bwa/"),
        reference_in("/elsewhere/genome.fa"),
    )

    make_mount_points(step, tmp_path)
    make_mount_points(step, tmp_path)

    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert found == {"data", "data/x", "data/x/genome.fa", "data/bwa"}


@pytest.mark.parametrize("link", ["data/x", "data/x/genome.fa"])
def test_no_link_of_an_executor_leads_a_mount_away(tmp_path: Path, link: str) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    outside.mkdir()
    (volume / "data" / "x").mkdir(parents=True)
    if link == "data/x":
        (volume / link).rmdir()
    (volume / link).symlink_to(outside)

    with pytest.raises(StepFailedError, match="was replaced by a link"):
        make_mount_points(
            step_of(folder_in("/data"), reference_in("/data/x/genome.fa")), volume
        )

    assert list(outside.iterdir()) == []


def test_a_directory_of_the_task_does_not_become_a_file(tmp_path: Path) -> None:
    (tmp_path / "data" / "genome.fa").mkdir(parents=True)

    with pytest.raises(StepFailedError, match="the task has a directory at /data/gen"):
        make_mount_points(
            step_of(folder_in("/data"), reference_in("/data/genome.fa")), tmp_path
        )


def test_a_type_says_what_a_reference_is() -> None:
    step = step_of(
        Input(path="/a", url="ref://grch38/bwa", type=FileType.DIRECTORY),
    )

    assert not step.references[0].is_file
