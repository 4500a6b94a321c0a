"""The launcher starts a command, or reports why not."""

import json
import sys
from pathlib import Path

import pytest

from taskmasters.launcher import Launch, compile_c, python, script

ARGUMENTS = {
    "empty strings": ["", "", "a", ""],
    "newlines and tabs": ["a\nb", "\t", "\r\n"],
    "quotes and shell characters": ["'", '"', "\\", "$HOME", "`id`", "*", ";", "|"],
    "Kubernetes variable syntax": ["$(HOME)", "$$(HOME)", "$$"],
    "unicode": ["żółw", "日本語", "🐢"],
    "what options like options of ours": ["--", "--stdout", "/tmp/x", "--nope"],
    "one long argument": ["x" * 100_000],
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_arrive_literally(launch: Launch, arguments: list[str]) -> None:
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"

    done = launch(*python(code), *arguments)

    assert json.loads(done.stdout) == arguments


def test_the_environment_arrives_unchanged(launch: Launch) -> None:
    environment = {"A": "$(B)", "B": "", "PATH": "/nowhere"}

    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = launch("--", sys.executable, "-I", "-c", code, env=environment)

    assert environment.items() <= json.loads(done.stdout).items()


EXITS = {
    "success": ("import sys; sys.exit(0)", 0),
    "failure": ("import sys; sys.exit(3)", 3),
    "the highest code": ("import sys; sys.exit(255)", 255),
    "killed": ("import os; os.kill(os.getpid(), 9)", 128 + 9),
    "killed by a broken pipe": (
        "import os, signal; signal.signal(13, signal.SIG_DFL); os.kill(os.getpid(), 13)",
        128 + 13,
    ),
}


@pytest.mark.parametrize(("code", "want"), EXITS.values(), ids=EXITS)
def test_exit_code_is_that_of_the_child(launch: Launch, code: str, want: int) -> None:
    assert launch(*python(code)).returncode == want


STARTS = {
    "not in PATH": ("tool", None, 127, "launcher: tool: not found"),
    "no name at all": ("", None, 127, "launcher: : not found"),
    "no such path": ("{tmp}/tool", None, 127, "launcher: {tmp}/tool: not found"),
    "path through a file": (
        "{tmp}/bin/tool/x",
        ("", 0o755),
        127,
        "launcher: {tmp}/bin/tool/x: not found",
    ),
    "a newline in the name": ("a\nb", None, 127, r"launcher: a\nb: not found"),
    "not executable, in PATH": (
        "tool",
        ("#!/bin/sh\n", 0o644),
        126,
        "launcher: tool: not executable: Permission denied",
    ),
    "not executable, by path": (
        "{tmp}/bin/tool",
        ("#!/bin/sh\n", 0o644),
        126,
        "launcher: {tmp}/bin/tool: not executable: Permission denied",
    ),
    "a directory": (
        "{tmp}/bin",
        None,
        126,
        "launcher: {tmp}/bin: not executable: Permission denied",
    ),
    "text that no kernel runs, and no shell either": (
        "tool",
        ("echo hello\n", 0o755),
        126,
        "launcher: tool: not executable: Exec format error",
    ),
    "a script whose interpreter is missing": (
        "tool",
        ("#! /no/such/interpreter -x\n", 0o755),
        127,
        "launcher: tool: its interpreter /no/such/interpreter: not found",
    ),
    "a script with Windows line ends": (
        "{tmp}/bin/tool",
        ("#!/bin/sh\r\n", 0o755),
        127,
        r"launcher: {tmp}/bin/tool: its interpreter /bin/sh\r: not found",
    ),
}


@pytest.mark.parametrize(
    ("name", "tool", "want_code", "want_line"), STARTS.values(), ids=STARTS
)
def test_a_program_that_does_not_start_says_why(
    launch: Launch,
    tmp_path: Path,
    name: str,
    tool: tuple[str, int] | None,
    want_code: int,
    want_line: str,
) -> None:
    (tmp_path / "bin").mkdir()
    report = tmp_path / "report"
    if tool is not None:
        script(tmp_path / "bin" / "tool", *tool)

    done = launch(
        "--report",
        report,
        "--",
        name.replace("{tmp}", str(tmp_path)),
        env={"PATH": f"/no/such/directory:{tmp_path}/bin"},
    )

    want_line = want_line.replace("{tmp}", str(tmp_path))
    assert (done.returncode, done.stderr.decode()) == (want_code, want_line + "\n")
    assert json.loads(report.read_text())["exit_code"] == want_code
    assert f"launcher: {json.loads(report.read_text())['error']}" == want_line


def test_a_missing_loader_is_named(launch: Launch, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    flag = "-Wl,--dynamic-linker=/no/such/loader"
    if not compile_c("int main(void) { return 0; }", tool, flag) or (
        b"/no/such/loader" not in tool.read_bytes()  # a compiler of static programs
    ):
        pytest.skip("this C compiler cannot name a dynamic loader")

    done = launch("--", tool)

    assert done.returncode == 127
    assert b"its interpreter /no/such/loader: not found" in done.stderr


def test_the_first_executable_in_path_wins(launch: Launch, tmp_path: Path) -> None:
    for folder, mode in {"a": 0o644, "b": 0o755, "c": 0o755}.items():
        (tmp_path / folder).mkdir()
        script(
            tmp_path / folder / "tool", f"#!{sys.executable}\nprint('{folder}')\n", mode
        )

    done = launch(
        "--", "tool", env={"PATH": ":".join(f"{tmp_path}/{x}" for x in "abc")}
    )

    assert done.stdout == b"b\n"


def test_path_is_searched_from_the_new_directory(
    launch: Launch, tmp_path: Path
) -> None:
    script(tmp_path / "tool", f"#!{sys.executable}\nprint('here')\n")

    done = launch("--chdir", tmp_path, "--", "tool", env={"PATH": "/nowhere:"})

    assert done.stdout == b"here\n"


def test_a_default_path_serves_when_none_is_set(launch: Launch) -> None:
    assert launch("--", "true", env={}).returncode == 0


USAGES = {
    "an unknown option": (["--nope", "--", "true"], "option --nope is not known"),
    "a value is missing": (["--report"], "option --report is not known or lacks"),
    "no command": (["--chdir", "/", "--"], "usage: launcher"),
    "no arguments": ([], "usage: launcher"),
    "a command without --": (["true"], "option true is not known"),
    "a limit that is no number": (["--log-limit", "-1", "--", "true"], '"-1" is not'),
    "a relative source": (["--collect", "a", "/b", "--", "true"], '"a" is not'),
    "a source that climbs": (["--collect", "/a/..", "/b", "--", "true"], "/a/.."),
    "a relative pattern": (["--readable", "a", "--", "true"], '"a" is not'),
    "a pattern that climbs": (["--readable", "/a/../b", "--", "true"], "/a/../b"),
}


@pytest.mark.parametrize(("arguments", "want"), USAGES.values(), ids=USAGES)
def test_a_wrong_command_line_is_refused(
    launch: Launch, arguments: list[str], want: str
) -> None:
    done = launch(*arguments)

    assert done.returncode == 125
    assert done.stderr.decode().startswith("launcher: ")
    assert want in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_an_inspection_runs_nothing_and_prints_occupied_directories(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/.hidden").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("full")
    (tmp_path / "file").touch()
    names = ("empty", "full", "none", "link", "file", "none/below")
    options = [word for name in names for word in ("--inspect", tmp_path / name)]

    done = launch(*options, "--", "sh", "-c", "echo it ran")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"occupied: 1 3\n", b"")


def test_the_launcher_fits_into_a_config_map(binary: Path) -> None:
    """A ConfigMap takes 1 MiB, of which names take a little."""
    assert binary.stat().st_size < 1024**2 - 4096
