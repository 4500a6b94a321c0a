"""Commands that tamper with the files of the turns: they only harm their own task."""

from pathlib import Path

import pytest

from programs.waiting import eventually
from taskmasters.pod_steps import Pod

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
        assert pod.log() == ["x1 passed"]


def test_a_command_that_removes_all_files_lets_those_go_on_that_wait(pod: Pod) -> None:
    with pod:
        pod.start("in", "true")
        pod.start("x1", pod.logs)
        pod.wait_for_begun("in", "x1")
        eventually(lambda: pod.is_waiting("x1"))
        pod.start("x0", f"rm {pod.turns}/*; touch {pod.turns}/in.passed")

        assert [pod.wait(name) for name in ("x0", "x1")] == [0, 0]

    assert pod.log() == ["x1 passed"]
