"""The process of a check: what it wrote counts, and it ends in time."""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from programs.waiting import eventually
from tesk_filer.adapters.check_process import CheckProcesses
from tesk_filer.domain.checks import LocationsToCheck, Verdict
from tesk_filer.domain.credential_table import TaskOwner
from tesk_model.errors import InternalError
from tesk_model.task import Input

WANTED = LocationsToCheck(owner=TaskOwner(), inputs=(Input(path="/i", url="s3://b/k"),))
# Answers the first input, cuts the second answer, leaves a child, and hangs.
HANGING = """
import os, subprocess, sys, time
from tesk.v1 import storage_service_pb2 as pb
from tesk_filer.adapters.check_frames import frame
sys.stdin.buffer.read()
first = frame(pb.LocationCheck(field="inputs[0]", verdict="ok", message="there"))
sys.stdout.buffer.write(first + first[:-3])
sys.stdout.buffer.flush()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(1000)
"""


def running(program: str, *arguments: str) -> CheckProcesses:
    return CheckProcesses(
        command=(sys.executable, "-c", program, *arguments), environ=dict(os.environ)
    )


def is_gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_what_hangs_is_killed_with_its_children_and_its_results_stay(
    tmp_path: Path,
) -> None:
    pids = tmp_path / "pids"
    began = time.monotonic()

    found = running(HANGING, str(pids)).check(WANTED, timedelta(seconds=8))

    assert list(found) == ["inputs[0]"]
    assert found["inputs[0]"].verdict is Verdict.OK
    assert time.monotonic() - began >= 8
    numbers = [int(each) for each in pids.read_text().split()]
    eventually(lambda: all(map(is_gone, numbers)), what="the end")


def test_a_process_that_fails_is_no_result() -> None:
    with pytest.raises(InternalError):
        running("import sys; sys.exit(3)").check(WANTED, timedelta(seconds=60))
