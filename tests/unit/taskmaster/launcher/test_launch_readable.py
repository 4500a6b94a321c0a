"""--readable: files that match become readable, and no others."""

import glob
import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskmasters.launcher import Launch, below, listing, python, script


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """Files that nobody but their user may read, as umask 077 leaves them."""
    root = tmp_path / "out"
    for name in ("run-1", "run-2", "other", "run-1/deep"):
        (root / name).mkdir(parents=True)
        (root / name / "a.txt").write_text("a")
        (root / name / "a.txt").chmod(0o600)
    script(root / "run-1" / "run.sh", "#!/bin/sh\n", 0o700)
    (root / "a[1].txt").write_text("a")
    (root / "a[1].txt").chmod(0o200)
    (root / ".hidden").mkdir()
    for folder in (*root.rglob("*/"), root):
        folder.chmod(0o700)
    yield root
    for folder in (root, *root.rglob("*/")):
        folder.chmod(0o700)


def changes(root: Path, act: Callable[[], object]) -> dict[str, str]:
    """Map what ``act`` changes, of ``root`` and all below, to its new mode."""
    before = {".": f"dir {root.stat().st_mode & 0o7777:o}", **listing(root)}
    act()
    after = {".": f"dir {root.stat().st_mode & 0o7777:o}", **listing(root)}
    assert before.keys() == after.keys()
    return {name: mode for name, mode in after.items() if mode != before[name]}


ALL_OF_RUN_1 = {
    "run-1": "dir 755",
    "run-1/a.txt": "file 644",
    "run-1/deep": "dir 755",
    "run-1/deep/a.txt": "file 644",
    "run-1/run.sh": "file 755",
}
READABLE: dict[str, tuple[str, dict[str, str]]] = {
    "a file, and the way to it": (
        "run-1/a.txt",
        {".": "dir 711", "run-1": "dir 711", "run-1/a.txt": "file 644"},
    ),
    "a file that its own user may not read": (
        "a[[]1].txt",
        {".": "dir 711", "a[1].txt": "file 644"},
    ),
    "a directory, with all below": ("run-1", {".": "dir 711", **ALL_OF_RUN_1}),
    "a directory with a trailing slash": (
        "run-1/",
        {".": "dir 711", **ALL_OF_RUN_1},
    ),
    "a pattern for files, and where they are looked up": (
        "run-?/a.*",
        {
            ".": "dir 755",
            "run-1": "dir 755",
            "run-1/a.txt": "file 644",
            "run-2": "dir 755",
            "run-2/a.txt": "file 644",
        },
    ),
    "a pattern for directories": ("*-1", {".": "dir 755", **ALL_OF_RUN_1}),
    "a pattern in the middle": (
        "run-*/deep/a.txt",
        {
            ".": "dir 755",
            "run-1": "dir 711",
            "run-1/deep": "dir 711",
            "run-1/deep/a.txt": "file 644",
            "run-2": "dir 711",
        },
    ),
    "where a pattern was looked up in vain": ("*.none", {".": "dir 755"}),
    "nothing": ("none/a.txt", {".": "dir 711"}),
    "nothing, below a file": (
        "run-1/a.txt/none",
        {".": "dir 711", "run-1": "dir 711"},
    ),
}


@pytest.mark.parametrize(("pattern", "want"), READABLE.values(), ids=READABLE)
@pytest.mark.parametrize("code", [0, 3])
def test_readable_lets_everybody_read_what_matches_and_nothing_else(
    launch: Launch, private: Path, pattern: str, want: dict[str, str], code: int
) -> None:
    def run() -> None:
        options = ("--readable", f"{private}/{pattern}")
        done = launch(*options, *python(f"exit({code})"))
        assert (done.returncode, done.stderr) == (code, b"")

    assert changes(private, run) == want


def test_readable_is_what_the_command_leaves(launch: Launch, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"""
import os
os.umask(0o077)
os.makedirs({str(out / "sub")!r})
open({str(out / "sub" / "a.txt")!r}, "w").close()
"""

    launch("--readable", out, *python(code))

    assert listing(out) == {"sub": "dir 755", "sub/a.txt": "file 644"}


def test_readable_takes_many_and_comes_after_collecting(
    launch: Launch, private: Path, tmp_path: Path
) -> None:
    volume, source = tmp_path / "volume[1]", private / "run-1" / "a.txt"

    launch(
        *("--collect", source, volume),
        *("--readable", f"{glob.escape(str(below(volume, source).parent))}/*.txt"),
        *("--readable", private / "run-2"),
        *("--", "true"),
    )

    assert stat.S_IMODE(below(volume, source).stat().st_mode) == 0o644
    assert stat.S_IMODE(source.stat().st_mode) == 0o600
    assert stat.S_IMODE((private / "run-2" / "a.txt").stat().st_mode) == 0o644


SPARED = {
    "a symlink itself": "link",
    "a symlink on the way": "link/secret",
    "a symlink that matches": "lin?",
    "a symlink that matches on the way": "l*/secret",
    "a symlink below": "",
}


@pytest.mark.parametrize("target", ["outside", "/etc"], ids=["private", "etc"])
@pytest.mark.parametrize("pattern", SPARED.values(), ids=SPARED)
def test_readable_never_follows_a_symlink(
    launch: Launch, tmp_path: Path, pattern: str, target: str
) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "secret").touch(0o600)
    outside.chmod(0o700)
    out.mkdir(0o755)
    (out / "link").symlink_to(tmp_path / target)
    (out / "file").symlink_to(outside / "secret")
    tmp_path.chmod(0o711)  # the way to it, which is opened
    etc = {path: path.lstat().st_mode for path in Path("/etc").iterdir()}

    def run() -> None:
        done = launch("--readable", f"{out}/{pattern}", "--", "true")
        assert (done.returncode, done.stderr) == (0, b"")

    assert changes(tmp_path, run) == {}
    assert {path: path.lstat().st_mode for path in etc} == etc


def test_readable_opens_no_pipe(launch: Launch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    done = launch("--readable", tmp_path, "--", "true")

    assert (done.returncode, done.stderr) == (0, b"")
    assert stat.S_IMODE((tmp_path / "pipe").stat().st_mode) == 0o600


def as_stranger(
    binary: Path, *arguments: str | Path
) -> subprocess.CompletedProcess[bytes]:
    with binary.open("rb") as program:  # which lies where only root may search
        return subprocess.run(
            [f"/proc/self/fd/{program.fileno()}", *arguments],
            pass_fds=[program.fileno()],
            capture_output=True,
            user=12345,
            check=False,
        )


def test_readable_by_root_takes_in_what_others_own(
    launch: Launch, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("theirs", "mine"):
        (out / name).touch(0o600)
    os.chown(out / "theirs", 12345, 12345)

    def run() -> None:
        done = launch("--readable", out, "--", "true")
        assert (done.returncode, done.stderr) == (0, b"")

    assert changes(out, run) == {"mine": "file 644", "theirs": "file 644"}


def test_readable_skips_files_of_others_silently(binary: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    out = tmp_path / "out"
    out.mkdir(0o755)
    for name in ("theirs", "mine"):
        (out / name).touch(0o600)
    os.chown(out / "mine", 12345, 12345)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)

    def run() -> None:
        done = as_stranger(binary, "--readable", out, "--", "true")
        assert (done.returncode, done.stderr) == (0, b"")

    assert changes(out, run) == {"mine": "file 644"}


def test_readable_passes_by_what_it_may_not_search(
    binary: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    (tmp_path / "theirs").mkdir(0o700)

    done = as_stranger(binary, "--readable", tmp_path / "theirs" / "a", "--", "true")

    assert (done.returncode, done.stderr) == (0, b"")


def test_readable_tells_failures_in_one_line_and_fails_no_run(
    launch: Launch, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    # Where paths become longer than they may be, there are two.
    code = f"""
import os
os.chdir({str(tmp_path)!r})
for _ in range(20):
    os.mkdir("m" * 250)
    os.mkdir("n" * 250)
    os.chdir("n" * 250)
"""

    done = launch("--report", report, "--readable", tmp_path, *python(code))

    shutil.rmtree(tmp_path / ("n" * 250))
    assert done.returncode == 0
    assert done.stderr.startswith(f"launcher: readable: {tmp_path}/".encode())
    # C libraries word it differently.
    assert re.search(rb": [Ff]ile ?name too long, and 1 more\n$", done.stderr)
    assert done.stderr.count(b"\n") == 1
    assert "error" not in json.loads(report.read_text())


def test_readable_is_quick_on_a_large_tree(launch: Launch, tmp_path: Path) -> None:
    out, files = tmp_path / "out", 20_000
    for number in range(files):
        folder = out / f"{number % 100}" / "d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").touch(0o600)

    done = launch("--readable", out, "--", "true", timeout=30)

    assert (done.returncode, done.stderr) == (0, b"")
    modes = [path.stat().st_mode for path in out.glob("*/d/*")]
    assert len(modes) == files
    assert {stat.S_IMODE(mode) for mode in modes} == {0o644}
