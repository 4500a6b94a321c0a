"""Which filer processes have the kernel write what they brought to the disk."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from servers.http import HttpFiles
from tesk_model.task import Input, Output

_TELL_SYNCS = """
import sys

def tell(event, arguments):
    if event == "ctypes.dlsym" and arguments[1] == "syncfs":
        print("asks for a sync", file=sys.stderr)

sys.addaudithook(tell)
"""


@pytest.fixture
def filer(tmp_path: Path) -> FilerRun:
    """A filer that says when it looks up the system call."""
    (tmp_path / "start").mkdir()
    (tmp_path / "start/sitecustomize.py").write_text(_TELL_SYNCS)
    return FilerRun(tmp_path, environ={"PYTHONPATH": str(tmp_path / "start")})


SYNCS: Mapping[str, tuple[str, int]] = {
    "inputs, which executors of other pods read": ("inputs", 1),
    "inputs, in a pod whose containers run already": ("both", 0),
    "outputs": ("outputs", 0),
}


@pytest.mark.parametrize(("direction", "want"), SYNCS.values(), ids=SYNCS)
def test_a_filer_syncs_of(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, direction: str, want: int
) -> None:
    web.files["/in"] = b"x"
    (filer.volume / "out").write_text("x")
    record.inputs = (Input(path="/in", url=f"{web.url_with_password}/in"),)
    record.outputs = (Output(path="/out", url=f"{web.url_with_password}/out"),)

    code, log = filer.run(record, direction)

    assert (code, record.result.files) == (0, 1), log
    assert log.count("asks for a sync") == want
