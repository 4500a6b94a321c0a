"""Commands that tamper with the files of the turns: they only harm their own task."""

from pathlib import Path

import pytest

from programs.waiting import eventually
from taskmasters.pod_steps import STEPS, Pod
from tesk_taskmaster.domain.layouts import Order

HOSTILE = {
    "a link for its end": ("ln -s {victim} x0.passed", "turns: x0.passed: File exists"),
    "a directory for its end": ("mkdir x0.passed", "turns: x0.passed: File exists"),
}


@pytest.mark.parametrize(("command", "want"), HOSTILE.values(), ids=HOSTILE)
def test_a_command_cannot_make_its_end_lead_elsewhere(
    pod: Pod, tmp_path: Path, command: str, want: str
) -> None:
    victim = tmp_path / "victim"
    with pod:
        pod.start("in", "true")
        pod.start("x0", f"cd {pod.turns}; {command.format(victim=victim)}")
        pod.start("x1", pod.logs)

        assert [pod.wait(name) for name in ("x0", "x1")] == [125, 0]

    assert pod.report("x0")["error"] == want
    assert pod.log() == []
    assert not victim.exists()


LATER = {
    "a link to a file": "ln -sf {victim} {file}",
    "a dangling link": "ln -sf {victim}.no {file}",
    "a directory": "mkdir {file}",
    "a file": "echo >{file}",
}


@pytest.mark.parametrize("kind", ["alive", "begun", "passed"])
@pytest.mark.parametrize("command", LATER.values(), ids=LATER)
def test_a_command_cannot_lead_a_later_step_elsewhere(
    pod: Pod, tmp_path: Path, command: str, kind: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file = pod.turns / f"x1.{kind}"
    with pod:
        pod.start("in", "true")
        pod.start("x0", command.format(victim=victim, file=file))
        assert pod.wait("x0") == 0

        pod.start("x1", pod.logs)

        code = pod.wait("x1")
    assert victim.read_text() == "precious"
    assert not Path(f"{victim}.no").exists()
    if code:
        assert code == 125
        assert pod.report("x1")["error"].startswith(f"turns: x1.{kind}: ")
    else:
        assert pod.log() == ["x1"]


def clear(pod: Pod) -> str:
    return f"rm {pod.turns}/*"


@pytest.mark.parametrize("code", [0, 7])
@pytest.mark.parametrize("late", ["", "x1", "out", "x1 out"])
def test_a_command_that_removes_all_files_spoils_nothing(
    pod: Pod, late: str, code: int
) -> None:
    early = [name for name in ("in", "x1", "out") if name not in late.split()]
    with pod:
        for name in early:
            pod.start(name, "true" if name == "in" else pod.logs)
        pod.wait_for_begun(*early)
        pod.start("x0", f"{clear(pod)}; exit {code}")
        assert pod.wait("x0") == code
        for name in late.split():
            pod.start(name, pod.logs)

        assert [pod.wait(name) for name in ("in", "x1", "out")] == [0, 0, 0]

    assert pod.log() == (["out failed"] if code else ["x1", "out passed"])
    assert pod.report("x1")["skipped"] is bool(code)


def test_who_begins_while_the_files_are_removed_is_told_of_all_ends(pod: Pod) -> None:
    with pod:
        pod.start("in", "true")
        pod.start("x0", f"{clear(pod)}; {pod.held}")
        eventually(lambda: pod.log() == ["x0"])
        pod.start("x1", pod.logs)
        pod.start("out", pod.logs)
        pod.wait_for_begun("x1", "out")
        assert pod.is_waiting("x1")

        pod.release("x0")

        assert [pod.wait(name) for name in ("x0", "x1", "out")] == [0, 0, 0]
    assert pod.log() == ["x0", "x1", "out passed"]


def test_who_looks_late_does_not_take_removed_files_for_a_failure(pod: Pod) -> None:
    with pod:
        for name in ("in", "x1", "out"):
            command = f"{clear(pod)}; {pod.held}" if name == "x1" else pod.logs
            pod.start(name, "true" if name == "in" else command)
        pod.wait_for_begun("in", "x1", "out")
        pod.pause("out")
        pod.start("x0", pod.logs)
        eventually(lambda: pod.log() == ["x0", "x1"])

        pod.resume("out")
        eventually(lambda: pod.is_waiting("out"))
        pod.release("x1")

        assert [pod.wait(name) for name in ("x0", "x1", "out")] == [0, 0, 0]
    assert pod.log() == ["x0", "x1", "out passed"]


@pytest.mark.parametrize("at", ["x0", "x1"])
def test_a_command_of_a_sequence_that_removes_all_files_spoils_nothing(
    pod: Pod, at: str
) -> None:
    pod.order = Order.SEQUENCE
    with pod:
        for name in STEPS:
            pod.start(name, clear(pod) if name == at else pod.logs)
            assert pod.wait(name) == 0

    other = "x1" if at == "x0" else "x0"
    assert pod.log() == ["in", other, "out passed"]


@pytest.mark.parametrize("kind", ["alive", "begun", "passed"])
def test_no_step_of_a_sequence_waits_for_what_is_not_a_file(
    pod: Pod, kind: str
) -> None:
    pod.order = Order.SEQUENCE
    with pod:
        for name in STEPS:
            command = f"mkdir {pod.turns}/x0.{kind}" if name == "x0" else pod.logs
            pod.start(name, command)
            assert pod.wait(name) == 0

    assert pod.report("x1")["skipped"] is (kind == "passed")
    assert pod.log()[-1] == ("out failed" if kind == "passed" else "out passed")


@pytest.mark.parametrize("order", Order)
def test_a_command_that_fails_cannot_pass(pod: Pod, order: Order) -> None:
    pod.order = order
    with pod:
        for name in STEPS:
            forge = f"touch {pod.turns}/x0.passed {pod.turns}/x1.passed; exit 7"
            pod.start(name, forge if name == "x0" else pod.logs)
            pod.wait(name)

    assert pod.report("x0")["exit_code"] == 7
    assert pod.report("x1")["skipped"] is True
    assert pod.log() == ["in", "out failed"]
