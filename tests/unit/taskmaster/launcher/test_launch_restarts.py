"""A command that is started again, and an exit code that is in the report alone."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from taskmasters.launcher import Launch

FINAL = ("--final-code", "65", "--final-code", "143")


def counted(path: Path, then: str) -> tuple[str, ...]:
    """Give the end of a command line that counts its starts as $N."""
    code = f'echo >>"{path}"; N=$(wc -l <"{path}"); {then}'
    return ("--", "sh", "-c", code)


ENDS = {
    "a crash and a success": ("[ $N = 2 ] || exit 1", 2, 0),
    "a signal and a success": ("[ $N = 2 ] || kill -SEGV $$", 2, 0),
    "crashes": ("exit 9", 4, 9),
    "signals": ("kill -KILL $$", 4, 137),
    "a success": ("exit 0", 1, 0),
    "a final code": ("exit 65", 1, 65),
    "a signal that is final": ("kill -TERM $$", 1, 143),
    "a crash and a final code": ("[ $N = 2 ] || exit 1; exit 65", 2, 65),
}


@pytest.mark.parametrize(("then", "starts", "code"), ENDS.values(), ids=ENDS)
def test_a_command_is_started_again_until_its_end_is_final(
    launch: Launch, tmp_path: Path, then: str, starts: int, code: int
) -> None:
    count, report = tmp_path / "count", tmp_path / "report"

    done = launch("--restarts", "3", *FINAL, "--report", report, *counted(count, then))

    assert done.returncode == code
    assert json.loads(report.read_text())["exit_code"] == code
    assert len(count.read_text()) == starts
    assert done.stderr.count(b"launcher: sh: ended with exit code ") == starts - 1


def test_a_restart_is_told(launch: Launch, tmp_path: Path) -> None:
    done = launch("--restarts", "1", *counted(tmp_path / "count", "exit 9"))

    assert done.stderr == b"launcher: sh: ended with exit code 9; restart 1 of 1\n"


def test_a_command_is_not_started_again_without_the_option(
    launch: Launch, tmp_path: Path
) -> None:
    assert launch(*counted(tmp_path / "count", "exit 9")).returncode == 9
    assert len((tmp_path / "count").read_text()) == 1


def test_a_command_is_not_started_again_after_sigterm(
    binary: Path, tmp_path: Path
) -> None:
    then = "trap 'exit 9' TERM; echo ready; while :; do read x; done"
    with subprocess.Popen(
        [binary, "--restarts", "3", *counted(tmp_path / "count", then)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"ready\n"

        launcher.send_signal(signal.SIGTERM)

        assert launcher.wait(60) == 9
    assert len((tmp_path / "count").read_text()) == 1


def test_each_start_reads_all_of_stdin_and_adds_to_the_output(
    launch: Launch, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_text("data\n")

    launch(
        *("--restarts", "1", "--stdin", source, "--stdout", target),
        *counted(tmp_path / "count", "cat; exit 9"),
    )

    assert target.read_text() == "data\ndata\n"


def test_a_program_that_is_not_found_is_not_started_again(launch: Launch) -> None:
    done = launch("--restarts", "3", "--", "/no/such")

    assert done.returncode == 127
    assert done.stderr == b"launcher: /no/such: not found\n"


WRONG = {
    "no number": (("--restarts", "x"), 'option --restarts: "x" is not a number'),
    "no code": (
        ("--final-code", "256"),
        "option --final-code: 256 is not an exit code",
    ),
}


@pytest.mark.parametrize(("options", "want"), WRONG.values(), ids=WRONG)
def test_wrong_numbers_are_refused(
    launch: Launch, options: tuple[str, ...], want: str
) -> None:
    done = launch(*options, "--", "true")

    assert (done.returncode, done.stderr) == (125, f"launcher: {want}\n".encode())


@pytest.mark.parametrize(
    ("command", "code"), [(["sh", "-c", "exit 7"], 7), (["/no/such"], 127)]
)
def test_an_exit_code_may_be_in_the_report_alone(
    launch: Launch, tmp_path: Path, command: list[str], code: int
) -> None:
    report = tmp_path / "report"

    done = launch("--exit-zero", "--report", report, "--", *command)

    assert done.returncode == 0
    assert json.loads(report.read_text())["exit_code"] == code


@pytest.mark.parametrize("options", [(), ("--report", "/no/such/report")])
def test_an_exit_code_that_is_in_no_report_stays(
    launch: Launch, options: tuple[str, ...]
) -> None:
    done = launch("--exit-zero", *options, "--", "sh", "-c", "exit 7")

    assert done.returncode == 7
