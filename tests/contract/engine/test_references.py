"""A folder of reference data shows no engine's commands more of the machine than itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.taskmaster_engine_harness import EngineHarness
from tesk_taskmaster.domain.executor_run import HostMount

SECRET = b"of the machine\n"


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A folder with links that stay in it, and links that lead out."""
    folder = tmp_path / "reference"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(SECRET)
    (folder / "genome.fa").write_bytes(b"ACGT\n")
    (folder / "sub" / "inner").symlink_to("../genome.fa")
    (folder / "above").symlink_to("../secret")
    (folder / "absolute").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path)
    for path in (tmp_path, folder, folder / "sub", folder / "genome.fa"):
        path.chmod(0o755)
    return folder


def run(
    harness: EngineHarness, reference: Path, *command: str, **fields: Any
) -> tuple[int | None, bytes, bytes]:
    """Run a command that sees the reference; return its exit code and streams."""
    made = harness.make_run(*command, **fields)
    mount = HostMount(source=reference, target="/ref", is_file=False)
    made = replace(made, references=(mount,))
    harness.engine.start(made, lambda _reason: None)
    result = harness.finish(made)
    tails = harness.engine.tails(made)
    return result.exit_code, tails.stdout, tails.stderr


def test_links_within_a_reference_are_followed(
    harness: EngineHarness, reference: Path
) -> None:
    inner = {"stdin": "/ref/sub/inner"}

    code, out, _ = run(harness, reference, "sh", "-c", "cat /ref/sub/inner -", **inner)

    assert (code, out) == (0, b"ACGT\nACGT\n")


WAYS_OUT = ["above", "absolute", "folder/secret", "sub/../../secret"]


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_link_of_a_reference_shows_a_file_of_the_machine(
    harness: EngineHarness, reference: Path, way: str
) -> None:
    code, out, said = run(harness, reference, "cat", f"/ref/{way}")

    assert code != 0
    assert SECRET not in out + said


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_redirect_follows_a_link_out_of_a_reference(
    harness: EngineHarness, reference: Path, way: str
) -> None:
    code, out, said = run(harness, reference, "cat", stdin=f"/ref/{way}")

    assert code != 0
    assert SECRET not in out + said


def test_nothing_is_written_through_a_reference(
    harness: EngineHarness, reference: Path
) -> None:
    script = (
        "for f in new genome.fa above absolute folder/new; do echo x > /ref/$f; done"
    )

    run(harness, reference, "sh", "-c", f"{script} 2>/dev/null; true")

    assert (reference.parent / "secret").read_bytes() == SECRET
    assert (reference / "genome.fa").read_bytes() == b"ACGT\n"
    assert not (reference / "new").exists()
    assert not (reference.parent / "new").exists()
