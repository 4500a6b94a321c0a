"""The launcher checks that reference data is there, and runs nothing."""

import json
import os
from pathlib import Path

import pytest

from taskmasters.launcher import Launch


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    root = tmp_path / "claim"
    (root / "grch38" / "bwa").mkdir(parents=True)
    (root / "grch38" / "genome.fa").write_text("ACGT")
    (root / "hg19.fa").write_text("ACGT")
    (root / "grch38" / "inner").symlink_to("bwa/../genome.fa")
    (root / "grch38" / "outer").symlink_to("../hg19.fa")
    (root / "grch38" / "absolute").symlink_to("/etc/passwd")
    os.mkfifo(root / "grch38" / "pipe")
    (root / "grch38" / "circle").symlink_to("circle")
    (root / "grch38b").mkdir()
    (root / "grch38" / "sibling").symlink_to("../grch38b")
    return root


PRESENT = [
    ("file", "genome.fa"),
    ("file", "inner"),
    ("directory", "bwa"),
    ("directory", ""),
]


@pytest.mark.parametrize(("kind", "path"), PRESENT)
def test_what_is_there_passes_and_nothing_runs(
    launch: Launch, claim: Path, kind: str, path: str
) -> None:
    done = launch("--require", kind, claim / "grch38", path, "n", "--", "echo", "ran")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


ABSENT = {
    "a missing file": ("file", "none.fa", "the reference has no such file"),
    "a file below a file": ("file", "genome.fa/x", "the reference has no such file"),
    "a missing directory": ("directory", "none", "the reference has no such directory"),
    "a file for a directory": (
        "directory",
        "genome.fa",
        "is a file; give the input type FILE",
    ),
    "a directory for a file": (
        "file",
        "bwa",
        "is a directory; give the input type DIRECTORY",
    ),
    "a pipe for a file": ("file", "pipe", "is not a file"),
    "a link out": ("file", "outer", "is a link that leads out of the reference"),
    "an absolute link": (
        "file",
        "absolute",
        "is a link that leads out of the reference",
    ),
    "a link to a longer name": (
        "directory",
        "sibling",
        "is a link that leads out of the reference",
    ),
    "links in a circle": ("file", "circle", "cannot be read"),
    "a long path": ("file", "a/" * 2100, "cannot be read: "),
}


@pytest.mark.parametrize(("kind", "path", "why"), ABSENT.values(), ids=ABSENT)
def test_what_is_not_there_is_reported_by_its_name(
    launch: Launch, claim: Path, tmp_path: Path, kind: str, path: str, why: str
) -> None:
    report = tmp_path / "report"
    name = "inputs[0].url: ref://grch38/x"
    required = ("--require", kind, claim / "grch38", path, name)

    done = launch(*required, "--report", report, "--", "echo", "ran")

    assert (done.returncode, done.stdout) == (125, b"")
    assert json.loads(report.read_text())["error"].startswith(f"{name}: {why}")


def test_nothing_is_made_where_the_whole_reference_is_missing(
    launch: Launch, claim: Path
) -> None:
    done = launch("--require", "file", claim / "none", "a", "n", "--", "x")

    assert done.returncode == 125
    assert b"the reference has no such file" in done.stderr
    assert not (claim / "none").exists()


def test_one_failure_of_several_is_enough(launch: Launch, claim: Path) -> None:
    root = claim / "grch38"
    good, bad = (
        ("--require", "file", root, path, path) for path in ("genome.fa", "no")
    )

    assert launch(*good, *bad, "--", "x").returncode == 125
    assert launch(*bad, *good, "--", "x").returncode == 125


def test_a_kind_that_is_neither_is_a_bad_option(launch: Launch) -> None:
    done = launch("--require", "socket", "/", "a", "n", "--", "x")

    assert b'"socket" is neither "file" nor "directory"' in done.stderr
