"""A detached process under the smallest limits that a machine may set."""

import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own, since the limit is that of a whole process.
_PROGRAM = """
import os, resource, sys
from datetime import timedelta
from pathlib import Path
from tesk_taskmaster.adapters.detached import DetachedProcess, Launch

folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
nothing = os.open(os.devnull, os.O_RDONLY)
output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
passed = os.open(folder / "passed", os.O_RDONLY | os.O_CREAT)
process = DetachedProcess(folder)
process.start(Launch(
    environ={"PATH": os.defpath},
    streams=(nothing, output, output),
    passed=(passed,),
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
