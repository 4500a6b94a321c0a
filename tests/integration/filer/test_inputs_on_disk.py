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


SYNCS: Mapping[str, tuple[str, str, int]] = {
    "inputs, where that is asked for": ("inputs", "true", 1),
    "inputs, where it is not": ("inputs", "false", 0),
    "outputs": ("outputs", "true", 0),
}


@pytest.mark.parametrize(("direction", "asked", "want"), SYNCS.values(), ids=SYNCS)
def test_a_filer_syncs_of(
    record: TransferRecord,
    tmp_path: Path,
    web: HttpFiles,
    direction: str,
    asked: str,
    want: int,
) -> None:
    (tmp_path / "start").mkdir()
    (tmp_path / "start/sitecustomize.py").write_text(_TELL_SYNCS)
    environ = {
        "PYTHONPATH": str(tmp_path / "start"),
        "TESK_FILER_SYNC_INPUTS": asked,
    }
    filer = FilerRun(tmp_path, environ=environ)
    web.files["/in"] = b"x"
    (filer.volume / "out").write_text("x")
    record.inputs = (Input(path="/in", url=f"{web.url_with_password}/in"),)
    record.outputs = (Output(path="/out", url=f"{web.url_with_password}/out"),)

    code, log = filer.run(record, direction)

    assert (code, record.result.files) == (0, 1), log
    assert log.count("asks for a sync") == want
