"""A detached process: its copies, and the smallest limits that a machine may set."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tesk_taskmaster.adapters.detached_process import (
    GATE_FD,
    DetachedProcess,
    LaunchSpec,
    ProcessExit,
)

# In a process of its own, since the limit is that of a whole process.
_PROGRAM = """
import os, resource, sys
from datetime import timedelta
from pathlib import Path
from tesk_taskmaster.adapters.detached_process import DetachedProcess, LaunchSpec

folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
nothing = os.open(os.devnull, os.O_RDONLY)
output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
passed = os.open(folder / "passed", os.O_RDONLY | os.O_CREAT)
process = DetachedProcess(folder)
process.start(LaunchSpec(
    environ={"PATH": os.defpath},
    streams=(nothing, output, output),
    pass_fds=(passed,),
    arguments=lambda lock, more: ["sh", "-c", f"echo {lock} {list(more)}; exit 3"],
))
end = process.wait(timedelta(seconds=60))
print(end.code)
"""


@pytest.mark.parametrize("descriptors", [20, 64, 99, 100, 101])
def test_a_process_starts_with_few_descriptors(
    tmp_path: Path, descriptors: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), str(descriptors)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout == "3\n", done.stderr
    assert (tmp_path / "output").read_text() == "3 [4]\n"


def test_copies_are_complete_before_the_end_is_known(tmp_path: Path) -> None:
    end = _copied(tmp_path, tmp_path / "out", "yes | head -n 100000; exit 3")

    assert (end.code, end.failed_copies) == (3, ())
    assert (tmp_path / "out").read_bytes() == b"y\n" * 100_000


def test_a_copy_that_fails_on_a_full_disk_is_reported(tmp_path: Path) -> None:
    end = _copied(tmp_path, Path("/dev/full"), "echo x")

    assert (end.code, end.failed_copies) == (0, (0,))


def test_a_gated_command_begins_when_its_gate_opens_and_its_leader_is_watched(
    tmp_path: Path,
) -> None:
    process, nothing = DetachedProcess(tmp_path), os.open(os.devnull, os.O_RDWR)
    script = f"read -r x <&{GATE_FD}; [ ! -e /proc/self/fd/9 ] && exit 4"
    process.start(
        LaunchSpec(
            environ={"PATH": os.defpath},
            streams=(nothing, nothing, nothing),
            pass_fds=(),
            arguments=lambda _lock, _more: ["sh", "-c", script],
            gated=True,
        )
    )
    os.close(nothing)
    assert process.wait(timedelta(seconds=0.2)) is None
    life = os.open(tmp_path / "life", os.O_RDONLY | os.O_NONBLOCK)

    process.open_gate()
    end = process.wait(timedelta(seconds=60))
    process.open_gate()  # which takes no notice

    assert end is not None
    assert end.code == 4
    assert os.read(life, 1) == b""  # nobody could write to it any more
    os.close(life)


def _copied(folder: Path, target: Path, script: str) -> ProcessExit:
    """Run a script with a copy of its stdout."""
    process = DetachedProcess(folder)
    source, end = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    output = os.open(target, os.O_WRONLY | os.O_CREAT)
    process.start(
        LaunchSpec(
            environ={"PATH": os.defpath},
            streams=(nothing, end, nothing),
            pass_fds=(),
            copies=((source, output),),
            arguments=lambda _lock, _more: ["sh", "-c", script],
        )
    )
    for descriptor in (source, end, nothing, output):
        os.close(descriptor)
    ended = process.wait(timedelta(seconds=60))
    assert ended is not None
    return ended
