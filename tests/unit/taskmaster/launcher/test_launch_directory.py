"""The directories and files that the launcher opens before a command runs."""

import json
import stat
from pathlib import Path

import pytest

from taskmasters.launcher import Launch, python


def test_the_directory_is_created_for_everyone(launch: Launch, tmp_path: Path) -> None:
    work = tmp_path / "a" / "b"

    code = "import os; print(os.getcwd(), oct(os.umask(0)))"
    done = launch("--chdir", work, *python(code), umask=0o027)

    assert done.stdout.decode() == f"{work} 0o27\n"  # the child's umask is untouched
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (work, work.parent)}
    assert modes == {0o777}


def test_directories_are_made_for_everyone_before_anything_else(
    launch: Launch, tmp_path: Path
) -> None:
    work, out = tmp_path / "a" / "b", tmp_path / "c d:e"
    options = ("--chdir", work, "--stdout", out / "log")

    done = launch(*options, "--mkdir", work, "--mkdir", out, "--", "pwd", umask=0o077)

    assert done.returncode == 0
    assert (out / "log").read_text() == f"{work}\n"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (work, work.parent, out)}
    assert modes == {0o777}


@pytest.mark.parametrize("option", ["--chdir", "--mkdir"])
def test_an_existing_directory_keeps_its_mode(
    launch: Launch, tmp_path: Path, option: str
) -> None:
    tmp_path.chmod(0o700)

    assert launch(option, tmp_path, "--", "true").returncode == 0

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


BLOCKED = {
    "directory": ("--mkdir", "{tmp}/file/x", "mkdir: {tmp}/file/x: Not a directory"),
    "directory in the place of a file": (
        "--mkdir",
        "{tmp}/file",
        "mkdir: {tmp}/file: Not a directory",
    ),
    "working directory": (
        "--chdir",
        "{tmp}/file",
        "chdir: {tmp}/file: Not a directory",
    ),
    "stdin": ("--stdin", "{tmp}/none", "stdin: {tmp}/none: No such file or directory"),
    "a directory as stdin": ("--stdin", "{tmp}", "stdin: {tmp}: Is a directory"),
    "stdout": ("--stdout", "{tmp}/file/x", "stdout: {tmp}/file/x: Not a directory"),
    "stderr": ("--stderr", "{tmp}", "stderr: {tmp}: Is a directory"),
}


@pytest.mark.parametrize(("option", "path", "want"), BLOCKED.values(), ids=BLOCKED)
def test_a_path_that_cannot_be_opened_is_named_and_nothing_runs(
    launch: Launch, tmp_path: Path, option: str, path: str, want: str
) -> None:
    (tmp_path / "file").touch()
    report = tmp_path / "report"

    done = launch(
        option,
        path.replace("{tmp}", str(tmp_path)),
        "--report",
        report,
        *python("print('ran')"),
    )

    want = want.replace("{tmp}", str(tmp_path))
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.decode() == f"launcher: {want}\n"
    assert json.loads(report.read_text())["error"] == want
