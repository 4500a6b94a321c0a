"""A filer that is started while the last one of its attempt still works."""

import os
import signal
import subprocess

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from servers.http import Fault, HttpFiles
from tesk_model.task import Input, Output

MIB = 1024 * 1024
WAITS = "waits for another filer of this transfer"


def wait_for(text: str, process: "subprocess.Popen[str]") -> None:
    """Read what a filer logs until it is ``text``."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr)


@pytest.mark.parametrize("end", ["success", "SIGKILL"])
def test_inputs_arrive_once_and_whole(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, end: str
) -> None:
    content = os.urandom(3 * MIB)
    web.files = {"/a": content, "/b": b"b"}
    web.faults["/a"] = [Fault(hold_at=2 * MIB)]
    record.inputs = tuple(
        Input(path=path, url=web.url_with_password + path) for path in ("/b", "/a")
    )

    with filer.start(record, "inputs") as first:
        assert web.held.wait(100)
        with filer.start(record, "inputs") as second:
            wait_for(WAITS, second)
            if end == "SIGKILL":
                first.kill()
                first.communicate(timeout=100)
            web.release.set()
            first.communicate(timeout=100)
            _, log = second.communicate(timeout=100)

    assert second.returncode == 0, log
    assert first.returncode == (0 if end == "success" else -signal.SIGKILL)
    assert (filer.volume / "a").read_bytes() == content
    asked = 1 if end == "success" else 2
    assert web.requests.count(("GET", "/a")) == asked


def test_outputs_are_whole_whichever_filer_is_killed(
    record: TransferRecord, filer: FilerRun
) -> None:
    content = os.urandom(MIB) * 24
    (filer.volume / "big").write_bytes(content)
    target = filer.folder / "root/big"
    record.outputs = (Output(path="/big", url=str(target)),)
    slow = FilerRun(
        filer.folder,
        filer.roots,
        environ={"TESK_FILER_MAX_BYTES_PER_SECOND": str(8 * MIB)},
    )

    with slow.start(record, "outputs") as first:
        assert record.reported.wait(100)
        with slow.start(record, "outputs") as second:
            wait_for(WAITS, second)
            first.communicate(timeout=100)
            second.kill()
            second.communicate(timeout=100)

    assert first.returncode == 0
    assert target.read_bytes() == content


def test_one_that_waits_can_be_stopped(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.files = {"/a": bytes(3 * MIB)}
    web.faults["/a"] = [Fault(hold_at=MIB)]
    record.inputs = (Input(path="/a", url=web.url_with_password + "/a"),)

    with filer.start(record, "inputs") as first:
        assert web.held.wait(100)
        with filer.start(record, "inputs") as second:
            wait_for(WAITS, second)
            second.terminate()
            second.communicate(timeout=100)
        web.release.set()
        first.communicate(timeout=100)

    assert (second.returncode, first.returncode) == (143, 0)
    assert [each.error for each in record.results] == [""]
