"""Commands that look for TESK's state and for root's files in the sandbox."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.taskmaster_engine_harness import EngineHarness
from tesk_taskmaster.adapters.sandbox.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.ports import Engine

SECRET = "the-token-of-this-tesk"
MANY = 250  # entries, so that the sandbox makes its second view


def look(tree: Path) -> str:
    """Return a command that prints where the secret is found."""
    return f"grep -rsl {SECRET} {tree} /.host{tree}"


@pytest.fixture
def tree() -> Iterator[Path]:
    """Give a folder below /opt, or a folder of programs elsewhere."""
    top = Path("/opt") if os.access("/opt", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tesk-test-", dir=top) as folder:
        Path(folder).chmod(0o755)
        for number in range(MANY):
            (Path(folder) / f"entry-{number}").touch()
        yield Path(folder).resolve()


def kit_of(home: Path, *programs: Path) -> EngineHarness:
    """Give a sandbox whose state is ``home``, with a secret in it."""

    def open_engine() -> Engine:
        shown = [str(path) for path in programs if not path.is_relative_to("/opt")]
        try:
            return open_sandbox_engine(TaskFolders(home), os.environ, programs=shown)
        except SandboxUnavailableError as error:
            pytest.skip(str(error))

    home.mkdir(mode=0o700, parents=True)
    (home / "token").write_text(SECRET)
    return EngineHarness(open_engine=open_engine, home=home, image="busybox")


def test_the_state_among_programs_is_not_seen_by_any_name(tree: Path) -> None:
    harness = kit_of(tree / "state", tree)
    file = harness.volume / str(tree / "mine").lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_text("of the task")

    plain = harness.complete("sh", "-c", look(tree))
    opened = harness.complete(
        "sh", "-c", f"cat {tree}/mine; {look(tree)}", files=[f"{tree}/mine"]
    )

    assert plain.stdout == b""
    assert opened.stdout == b"of the task"
    harness.engine.remove(harness.attempt)


def test_a_state_whose_folder_the_task_opens_is_not_seen(tree: Path) -> None:
    harness = kit_of(tree / "state", tree)
    target = tree / "state/mine"
    file = harness.volume / str(target).lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_text("of the task")

    done = harness.complete(
        "sh", "-c", f"cat {target}; {look(tree)}", files=[str(target)]
    )

    assert done.stdout == b"of the task"
    harness.engine.remove(harness.attempt)


def test_the_state_is_not_seen_through_a_second_mount(tree: Path) -> None:
    harness = kit_of(tree / "state", tree)
    second = tree / "second"
    second.mkdir()
    mount = ["mount", "--bind", str(tree / "state"), str(second)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    try:
        assert harness.complete("sh", "-c", look(tree)).stdout == b""
    finally:
        harness.engine.remove(harness.attempt)
        subprocess.run(["umount", str(second)], check=True)


def test_files_that_only_root_may_read_are_not_seen(tree: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the kernel keeps others from them")
    programs = tmp_path.resolve() / "programs"
    (programs / "closed").mkdir(parents=True, mode=0o700)
    for name in ("key", "closed/inside"):
        (programs / name).write_text(SECRET)
        (programs / name).chmod(0o600)
    (programs / "open").write_text("for all")
    harness = kit_of(tree / "state", programs)

    done = harness.complete("sh", "-c", f"cat {programs}/open; {look(programs)}")

    assert done.stdout == b"for all"
    harness.engine.remove(harness.attempt)
