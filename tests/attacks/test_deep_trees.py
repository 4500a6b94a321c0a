"""Trees that no function may walk by calling itself, and things that stay.

What a command leaves must never keep its taskmaster busy for ever.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from builders.tasks import make_assigned_task
from fakes.taskmaster_engine import RecordingEngine
from files.deep_trees import make_deep
from programs.descriptors import few_descriptors
from programs.namespaces import mount_namespace
from taskmasters.running import (
    ATTEMPT,
    TaskmasterHarness,
    assignment,
    commands,
    running,
)
from tesk_model.events import Released
from tesk_runtime.removal import IncompleteRemovalError, remove_tree
from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.adapters.local.filer_process import FilerProcesses, FilerSettings
from tesk_taskmaster.adapters.local.runtime import LocalRuntime
from tesk_taskmaster.adapters.sandbox.collection import OutputCollector
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.ports import LeftoversError, StepFailedError

DEPTH = 3_000
DAY = timedelta(days=1).total_seconds()
MIB = 1024 * 1024

# Runs where a mount changes nothing for others; fails if it removes the file.
BEHIND_A_MOUNT = """
import subprocess, sys
from pathlib import Path
from tesk_runtime.removal import IncompleteRemovalError, remove_tree

tree, outside = Path(sys.argv[1]), Path(sys.argv[2])
(tree / "mounted").mkdir()
(tree / "gone").mkdir()
subprocess.run(["mount", "--bind", outside, tree / "mounted"], check=True)
try:
    remove_tree(tree)
except IncompleteRemovalError as error:
    print(error)
assert (outside / "precious").exists()
assert not (tree / "gone").exists()
"""

# Removes, as nobody in particular, what is shut in every way.
SHUT = """
import os, sys
from pathlib import Path
from tesk_runtime.removal import remove_tree

if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
top = Path(sys.argv[1]) / "tree"
below = top / "a" / "b" / "c"
below.mkdir(parents=True)
(below / "file").touch()
for folder, mode in ((below, 0), (below.parent, 0o500), (top / "a", 0o300)):
    folder.chmod(mode)
remove_tree(top)
assert not top.exists()
"""


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Remove what pytest cannot: it goes down by calling itself."""
    yield
    for path in tmp_path.iterdir():
        remove_tree(path)


@pytest.fixture
def runtime(tmp_path: Path) -> LocalRuntime:
    """Run one attempt on this machine."""
    folders = TaskFolders(tmp_path.resolve())
    filers = FilerSettings(environ={}, command=("/bin/true",))
    runtime = LocalRuntime(folders, RecordingEngine(), FilerProcesses(folders, filers))
    plan = plan_task(make_assigned_task(volumes=("/w",)), ATTEMPT)
    runtime.prepare(plan, "token", lambda _reason: None)
    return runtime


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Path]:
    """Make a file that nobody may remove for now."""
    file = tmp_path / "tasks" / ATTEMPT.name / "volume" / "w" / "stays"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * MIB)
    chattr = shutil.which("chattr")
    done = chattr and subprocess.run([chattr, "+i", file], check=False)
    if not done or done.returncode:
        pytest.skip("this user or file system makes no immutable files")
    yield file
    for path in tmp_path.rglob("stays"):
        subprocess.run(["chattr", "-i", path], check=True)


def test_an_attempt_with_a_deep_tree_is_released(
    runtime: LocalRuntime, tmp_path: Path
) -> None:
    make_deep(tmp_path / "tasks" / ATTEMPT.name / "volume" / "w", DEPTH)

    with few_descriptors(20):
        runtime.release(ATTEMPT)

    assert list((tmp_path / "tasks").iterdir()) == []


def test_files_that_may_not_be_removed_are_named_and_the_rest_is_gone(
    left: Path, tmp_path: Path
) -> None:
    other = left.parent / "other"
    other.mkdir()
    (other / "file").touch()

    with pytest.raises(IncompleteRemovalError) as caught:
        remove_tree(tmp_path / "tasks")

    assert caught.value.filename == str(left)
    assert caught.value.bytes_held >= MIB
    assert "Operation not permitted (1 MiB stay)" in str(caught.value)
    assert not other.exists()


def test_files_that_cannot_be_removed_are_kept_apart_and_tried_again_later(
    left: Path, tmp_path: Path
) -> None:
    folders = TaskFolders(tmp_path.resolve())
    filers = FilerProcesses(folders, FilerSettings(environ={}, command=("true",)))
    runtime = LocalRuntime(folders, RecordingEngine(), filers)
    kept = folders.leftovers / ATTEMPT.name

    with pytest.raises(LeftoversError) as caught:
        runtime.release(ATTEMPT)
    runtime.defer_removal(ATTEMPT)
    runtime.leftovers.sweep()  # too soon
    subprocess.run(["chattr", "-i", next(kept.rglob("stays"))], check=True)
    runtime.leftovers.sweep()
    was_kept = kept.exists()
    os.utime(kept, (kept.stat().st_mtime - DAY, kept.stat().st_mtime - DAY))
    runtime.leftovers.sweep()

    assert str(caught.value).startswith("volume/w/stays: Operation not permitted")
    assert str(tmp_path) not in str(caught.value)
    assert not runtime.has_objects(ATTEMPT, lambda _reason: None)
    assert was_kept
    assert not kept.exists()
    assert not left.exists()


def test_mounts_in_a_tree_are_left_alone(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    outside.mkdir()
    (outside / "precious").touch()

    # Of the same file system: its number does not tell.
    done = in_a_namespace(BEHIND_A_MOUNT, tree, outside)

    assert done.returncode == 0, done.stderr
    assert "mounted: is a mount point" in done.stdout


def in_a_namespace(code: str, *paths: Path) -> "subprocess.CompletedProcess[str]":
    """Run code that may mount; skip where nobody may."""
    return subprocess.run(
        [*mount_namespace(), sys.executable, "-c", code, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_closed_directories_are_opened_and_removed() -> None:
    with tempfile.TemporaryDirectory() as folder:  # nobody may enter those of pytest
        Path(folder).chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", SHUT, folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr


@pytest.fixture
def harness() -> Iterator[TaskmasterHarness]:
    """Run a taskmaster."""
    with running(TaskmasterHarness()) as harness:
        yield harness


def test_a_removal_that_fails_for_good_gives_its_slot_back(
    harness: TaskmasterHarness,
) -> None:
    harness.state.release_failures += [LeftoversError("w/f: not permitted")] * 99

    told = harness.finish(assignment(commands("true")))

    assert told[-1] == Released("w/f: not permitted")
    assert harness.runtime.deferred == [ATTEMPT]


def test_a_removal_that_fails_a_while_is_tried_again(
    harness: TaskmasterHarness,
) -> None:
    harness.state.release_failures += [LeftoversError("w/f: busy")] * 2

    told = harness.finish(assignment(commands("true")))

    assert told[-1] == Released()
    assert harness.runtime.deferred == []


def test_an_attempt_that_may_still_run_is_never_given_up(
    harness: TaskmasterHarness,
) -> None:
    harness.state.release_failures += [StepFailedError("the engine is down")] * 8

    told = harness.finish(assignment(commands("true")))

    assert told[-1] == Released()
    assert harness.runtime.released == [ATTEMPT]


def nested_twice(top: Path) -> None:
    """Make the same deep tree as another one."""
    make_deep(top / "deep", 1_500)


def links_that_multiply(top: Path) -> None:
    """Make links by which 2 ** 30 paths lead to one directory."""
    for name in ("a", "b"):
        (top / "deep" / name).symlink_to(".")


SOURCES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a tree that is there already": (nested_twice, "/deep"),
    "links that multiply": (links_that_multiply, "/deep" + "/*" * 30),
}


@pytest.mark.parametrize(("make", "pattern"), SOURCES.values(), ids=SOURCES)
def test_collecting_ends_whatever_was_made(
    make: Callable[[Path], None], pattern: str, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        (folder / "deep").mkdir(parents=True)
    make(source)
    nested_twice(target)

    OutputCollector(RootedFiles(source), RootedFiles(target), frozenset()).collect(
        pattern
    )
