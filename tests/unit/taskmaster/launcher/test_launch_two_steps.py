"""One command for two steps: it stays after the first, or is started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from programs.waiting import eventually
from taskmasters.pod_steps import Pod

# Logs its step, and goes on with what it is told; "end": it does not stay.
FILER = """
import os, sys
def log(*words):
    with open(os.environ["ROOT"] + "/log", "a") as file:
        print(*words, file=file)
step = os.environ["TESK_TURN"]
log(step, os.environ.get("TESK_AFTER", "-"), "TESK_TURN_CHANNEL" in os.environ)
first, second = sys.argv[1:]
if step == "in":
    if first != "stay":
        sys.exit(int(first))
    channel = int(os.environ["TESK_TURN_CHANNEL"])
    os.write(channel, b"1")
    told = os.read(channel, 64).decode()
    log("told", told)
    if not told:
        sys.exit(9)
sys.exit(int(second))
"""


class Filer:
    """The launcher of both filers of a pod with two executors."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod

    def start(self, first: str = "stay", second: str = "0", *options: str) -> None:
        pod = self.pod
        pod.steps["filer"] = subprocess.Popen(
            [
                pod.binary,
                *("--turns", pod.turns, "--turn", "in", "--then", "out"),
                *("--after", "x0", "--after", "x1", "--even-if-failed"),
                *("--restarts", "3", "--final-code", "65", *options),
                *("--report", pod.root / "report-filer"),
                *("--", sys.executable, "-c", FILER, first, second),
            ],
            env={"PATH": os.environ["PATH"], "ROOT": str(pod.root)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def children(self) -> list[int]:
        pid = self.pod.steps["filer"].pid
        return [
            int(each)
            for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]

    def wait(self) -> int:
        return self.pod.wait("filer")

    def report(self) -> Any:
        return self.pod.report("filer")


@pytest.fixture
def filer(pod: Pod) -> Filer:
    return Filer(pod)


def start(pod: Pod, *commands: str) -> None:
    for name, command in zip(("x0", "x1"), commands, strict=True):
        pod.start(name, command)


def test_a_command_that_stays_starts_once(pod: Pod, filer: Filer) -> None:
    with pod:
        start(pod, pod.held, "true")
        filer.start()
        eventually(lambda: pod.log()[1:] == ["x0"])
        assert len(filer.children()) == 1
        pod.release("x0")

        assert [filer.wait(), pod.wait("x1")] == [0, 0]
    assert pod.log() == ["in - True", "x0", "told passed"]
    told = filer.report()
    assert (told["exit_code"], told["turn"], told["skipped"]) == (0, "out", False)


def test_it_waits_without_the_processor(pod: Pod, filer: Filer) -> None:
    with pod:
        start(pod, pod.held, "true")
        filer.start()
        eventually(lambda: pod.log()[1:] == ["x0"])
        (child,) = filer.children()
        states = [
            (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
            for pid in (pod.steps["filer"].pid, child)
        ]

    assert states == ["S", "S"]


def test_it_is_told_that_an_executor_has_failed(pod: Pod, filer: Filer) -> None:
    with pod:
        start(pod, "exit 3", pod.logs)
        filer.start()

        assert [filer.wait(), pod.wait("x0"), pod.wait("x1")] == [0, 3, 0]
    assert pod.log() == ["in - True", "told failed"]


def test_one_that_does_not_stay_is_started_for_each_step(
    pod: Pod, filer: Filer
) -> None:
    with pod:
        start(pod, pod.logs, "exit 3")
        filer.start("0")

        assert filer.wait() == 0
    assert pod.log() == ["in - True", "x0", "out failed False"]
    assert filer.report()["turn"] == "out"


@pytest.mark.parametrize(("code", "starts"), [("65", 1), ("1", 4)])
def test_nothing_runs_after_a_first_step_that_failed(
    pod: Pod, filer: Filer, code: str, starts: int
) -> None:
    with pod:
        start(pod, pod.logs, pod.logs)
        filer.start(code)

        assert [filer.wait(), pod.wait("x0"), pod.wait("x1")] == [int(code), 0, 0]
    assert pod.log() == ["in - True"] * starts
    told = filer.report()
    assert (told["exit_code"], told["turn"]) == (int(code), "in")
    assert pod.report("x0")["skipped"] is True


def test_one_that_is_killed_while_it_waits_is_started_for_the_second_step(
    pod: Pod, filer: Filer
) -> None:
    with pod:
        start(pod, pod.held, "true")
        filer.start()
        eventually(lambda: pod.log()[1:] == ["x0"])
        os.kill(filer.children()[0], signal.SIGKILL)
        eventually(lambda: not filer.children())
        pod.release("x0")

        assert filer.wait() == 0
    assert pod.log() == ["in - True", "x0", "out passed False"]


def test_one_that_crashes_in_the_second_step_is_started_for_it_again(
    pod: Pod, filer: Filer
) -> None:
    with pod:
        start(pod, "true", "true")
        filer.start("stay", "1")

        assert filer.wait() == 1
    assert pod.log() == ["in - True", "told passed", *["out passed False"] * 3]
    assert filer.report()["turn"] == "out"


def test_executors_are_over_for_it_when_the_first_launcher_is_killed(
    pod: Pod, filer: Filer
) -> None:
    with pod:
        start(pod, pod.logs, pod.logs)
        filer.start("stay")
        eventually(lambda: pod.log()[:1] == ["in - True"])
        pod.kill("filer")

        codes = [pod.wait("x0"), pod.wait("x1")]
    assert codes == [0, 0]


def test_a_signal_ends_it_while_it_waits(pod: Pod, filer: Filer) -> None:
    with pod:
        start(pod, pod.held, "true")
        filer.start()
        eventually(lambda: pod.log()[1:] == ["x0"])
        pod.steps["filer"].send_signal(signal.SIGTERM)

        assert filer.wait() == 143
        told = filer.report()
        assert (told["turn"], told["signal"]) == ("out", 15)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--stdout", "/o"), "option --then needs streams as they are"),
        (("--then", "a/b"), 'option --then: "a/b" is not a name of 1 to 63 bytes'),
    ],
)
def test_options_that_do_not_go_together(
    pod: Pod, options: Sequence[str], words: str
) -> None:
    done = subprocess.run(
        [
            pod.binary,
            *("--turns", "/t", "--turn", "in", "--then", "out", *options),
            *("--", "true"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 125
    assert words in done.stderr
