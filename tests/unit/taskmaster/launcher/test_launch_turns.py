"""Steps that start at once and run in order: real launchers on one directory."""

import itertools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from programs.waiting import eventually
from taskmasters.pod_steps import STEPS, Pod
from tesk_taskmaster.domain.layouts import Order

ORDERS = list(itertools.permutations(STEPS))[::3]


@pytest.mark.parametrize("order", ORDERS, ids=map("-".join, ORDERS))
def test_steps_run_in_order_whichever_starts_first(
    pod: Pod, order: tuple[str, ...]
) -> None:
    with pod:
        for name in order:
            pod.start(name, pod.held if name == "in" else pod.logs)
        pod.wait_for_begun(*STEPS)
        eventually(lambda: pod.log() == ["in"])

        pod.release("in")

        assert [pod.wait(name) for name in STEPS] == [0, 0, 0, 0]
    assert pod.log() == ["in", "x0", "x1", "out passed"]


@pytest.mark.parametrize("order", Order)
def test_steps_that_the_runtime_orders_do_not_wait(pod: Pod, order: Order) -> None:
    pod.order = order
    with pod:
        for name in STEPS:
            pod.start(name, pod.logs)
            assert pod.wait(name) == 0

    assert pod.log() == ["in", "x0", "x1", "out passed"]


def test_executors_after_a_failed_one_are_skipped_and_outputs_are_not(
    pod: Pod,
) -> None:
    with pod:
        pod.start("out", pod.logs)
        pod.start("x1", pod.logs)
        pod.start("x0", "exit 7")
        pod.start("in", "true")

        assert [pod.wait(name) for name in STEPS] == [0, 7, 0, 0]

    assert pod.log() == ["out failed"]
    told = pod.report("x1")
    assert (told["exit_code"], told["skipped"]) == (0, True)
    assert [pod.report(name)["skipped"] for name in ("in", "x0", "out")] == [False] * 3


def test_nobody_waits_for_a_step_after_a_failed_one_that_never_begins(
    pod: Pod,
) -> None:
    with pod:
        pod.start("out", pod.logs)
        pod.start("in", "true")
        pod.start("x0", "exit 7")

        assert [pod.wait(name) for name in ("in", "x0", "out")] == [0, 7, 0]

    assert pod.log() == ["out failed"]


def test_nothing_runs_after_failed_inputs(pod: Pod) -> None:
    with pod:
        for name in STEPS:
            pod.start(name, "exit 65" if name == "in" else pod.logs)

        assert [pod.wait(name) for name in STEPS] == [65, 0, 0, 0]

    assert pod.log() == []
    assert pod.report("out")["skipped"] is True


def test_an_ignored_error_passes(pod: Pod) -> None:
    with pod:
        pod.start("in", "true")
        pod.start("x0", "exit 7", "--ignore-error")
        pod.start("x1", pod.logs)

        assert [pod.wait(name) for name in ("in", "x0", "x1")] == [0, 7, 0]

    assert pod.log() == ["x1"]


@pytest.mark.parametrize(
    ("ignores", "want"), [(False, ["out failed"]), (True, ["x1", "out passed"])]
)
def test_a_step_that_is_killed_is_over(
    pod: Pod, *, ignores: bool, want: list[str]
) -> None:
    options = ("--ignore-error",) if ignores else ()
    with pod:
        pod.start("in", "true")
        pod.start("x0", pod.held, *options)
        pod.start("x1", pod.logs)
        pod.start("out", pod.logs)
        eventually(lambda: pod.log() == ["x0"])

        pod.kill("x0")

        assert [pod.wait(name) for name in ("x1", "out")] == [0, 0]
    assert pod.log() == ["x0", *want]


def test_a_step_that_is_killed_while_it_waits_lets_none_overtake(pod: Pod) -> None:
    with pod:
        pod.start("in", "true")
        pod.start("x0", pod.held)
        pod.start("x1", pod.logs)
        pod.start("out", pod.logs)
        pod.wait_for_begun(*STEPS)
        eventually(lambda: pod.log() == ["x0"])

        pod.kill("x1")
        assert pod.is_waiting("out")
        pod.release("x0")

        assert [pod.wait(name) for name in ("x0", "out")] == [0, 0]
    assert pod.log() == ["x0", "out failed"]


def test_a_step_is_over_while_an_orphan_of_it_lives(pod: Pod) -> None:
    with pod:
        pod.start("in", "true")
        pod.start("x0", f"({pod.held}) & exit 0")
        pod.start("x1", pod.logs)

        assert pod.wait("x0") == 0
        assert pod.wait("x1") == 0
        pod.release("x0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_ends_a_step_that_waits(pod: Pod, number: signal.Signals) -> None:
    with pod:
        pod.start("in", pod.held)
        pod.start("x0", pod.logs)
        pod.start("x1", pod.logs)
        pod.wait_for_begun("in", "x0", "x1")
        eventually(lambda: pod.is_waiting("x0"))

        pod.steps["x0"].send_signal(number)

        assert pod.wait("x0") == 128 + number
        pod.release("in")
        assert pod.wait("x1") == 0
    assert pod.log() == ["in"]
    told = pod.report("x0")
    assert (told["signal"], told["skipped"]) == (number, False)
    assert pod.report("x1")["skipped"] is True


def test_a_step_that_waits_uses_no_processor(pod: Pod) -> None:
    with pod:
        pod.start("in", pod.held)
        pod.start("x0", "true")
        pod.wait_for_begun("in", "x0")
        eventually(lambda: pod.is_waiting("x0"))
        before = pod.switches("x0")

        for number in range(100):  # whatever others do there
            (pod.turns / str(number)).touch()
        with (pod.turns / "in.alive").open("wb") as pipe:
            pipe.write(b"x")

        assert pod.is_waiting("x0")
        assert pod.switches("x0") == before
        pod.release("in")
        assert pod.wait("x0") == 0


def test_a_command_has_no_descriptor_of_the_turns(pod: Pod) -> None:
    with pod:
        pod.start("in", "true")
        pod.start("x0", f"ls -l /proc/self/fd | grep -c {pod.turns}")

        assert pod.wait("x0") == 1  # of grep: there is none


def test_times_do_not_include_the_waiting(pod: Pod) -> None:
    with pod:
        pod.start("x0", "true")
        pod.wait_for_begun("x0")
        pod.start("in", "true")
        assert pod.wait("x0") == 0

    assert pod.report("x0")["started_at"] >= pod.report("in")["ended_at"]


def test_what_a_former_container_left_says_nothing(pod: Pod) -> None:
    with pod:
        pod.start("in", "true")
        assert pod.wait("in") == 0
        pod.start("in", "exit 65")
        assert pod.wait("in") == 65
        pod.start("x0", pod.logs)
        assert pod.wait("x0") == 0

    assert pod.log() == []


WRONG = {
    "no directory": (["--turn", "x"], "options --turns and --turn need each other"),
    "no name": (["--turns", "/x"], "options --turns and --turn need each other"),
    "a path": (
        ["--turns", "/x", "--turn", "../x"],
        'option --turn: "../x" is not a name of 1 to 63 bytes without "/"',
    ),
    "an order without a turn": (
        ["--after", "x"],
        (
            "options --then, --after, --clear, --unless-failed, --even-if-failed, "
            "--ordered and --ignore-error need --turns and --turn"
        ),
    ),
    "a directory that is missing": (
        ["--turns", "/no/such", "--turn", "x"],
        "turns: /no/such: No such file or directory",
    ),
}


@pytest.mark.parametrize(("options", "want"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_refused(binary: Path, options: list[str], want: str) -> None:
    done = subprocess.run(
        [binary, *options, "--", "true"], capture_output=True, check=False, timeout=60
    )

    assert done.returncode == 125
    assert done.stderr == f"launcher: {want}\n".encode()


def test_steps_may_be_of_several_users(binary: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may run programs as others")
    with TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o777)
        with Pod(binary=Path(shutil.copy(binary, root)), root=root) as pod:
            pod.turns.chmod(0o777)
            pod.start("x0", pod.logs, user=1002)
            pod.wait_for_begun("x0")
            pod.start("in", "true", user=1001)

            assert [pod.wait(name) for name in ("in", "x0")] == [0, 0]
        assert pod.log() == ["x0"]
