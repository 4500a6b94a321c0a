"""The launcher empties a directory in memory when the turn of its step ends."""

from pathlib import Path

import pytest

from taskmasters.launcher import Launch
from taskmasters.pod_steps import Pod

FILLS = (
    'mkdir -p "$ROOT/shm/a/b"; echo x >"$ROOT/shm/a/b/c"; echo x >"$ROOT/shm/.d"; '
    'ln -s "$ROOT/kept" "$ROOT/shm/link"; exit '
)


@pytest.mark.parametrize("code", [0, 3])
def test_nothing_is_left_for_the_next_step(pod: Pod, tmp_path: Path, code: int) -> None:
    shm = tmp_path / "shm"
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    with pod:
        pod.start("in", "true")
        pod.start("x0", f"{FILLS} {code}", "--clear", str(shm))

        assert pod.wait("x0") == code
    assert list(shm.iterdir()) == []
    assert (tmp_path / "kept" / "file").exists()


def test_outputs_are_collected_before(pod: Pod, tmp_path: Path) -> None:
    shm, volume = tmp_path / "shm", tmp_path / "volume"
    options = ("--collect", str(shm / "a"), str(volume), "--clear", str(shm))
    with pod:
        pod.start("in", "true")
        pod.start("x0", f"{FILLS} 0", *options)

        assert pod.wait("x0") == 0
    found = volume / (shm / "a" / "b" / "c").relative_to("/")
    assert found.read_text() == "x\n"


def test_a_directory_that_is_not_there_fails_nothing(pod: Pod, tmp_path: Path) -> None:
    with pod:
        pod.start("in", "true")
        pod.start("x0", "true", "--clear", str(tmp_path / "none"))

        assert pod.wait("x0") == 0


def test_only_the_end_of_a_turn_clears(launch: Launch) -> None:
    done = launch("--clear", "/dev/shm", "--", "true")

    assert done.returncode == 125
    assert b"options --then, --after" in done.stderr
