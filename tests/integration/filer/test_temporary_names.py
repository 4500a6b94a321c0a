"""Files whose own names have the form of those that TESK gives to incomplete ones."""

from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import ATTEMPT, TransferRecord
from tesk_filer.adapters.temporary_names import temporary_name, transfer_tag
from tesk_model.task import FileType, Input, Output

OF_ANOTHER_ATTEMPT = transfer_tag(ATTEMPT.name, "the token of another one")
TAGS = (ATTEMPT.name, f"{ATTEMPT.name}-0", OF_ANOTHER_ATTEMPT, "tesk", "tesk-input")
NAMES = (
    "x",
    *(f".x.{tag}.part" for tag in TAGS),
    *(temporary_name("x", tag) for tag in TAGS),
)


@pytest.fixture
def filer(tmp_path: Path) -> FilerRun:
    (tmp_path / "root").mkdir()
    return FilerRun(tmp_path, roots=(tmp_path / "root",))


@pytest.mark.parametrize("size", [1, 2 * 1024 * 1024], ids=["small", "large"])
def test_they_go_there_and_come_back_beside_those_whose_temporaries_they_seem(
    record: TransferRecord, filer: FilerRun, size: int
) -> None:
    contents = {name: name.encode().ljust(size) for name in NAMES}
    (filer.volume / "out").mkdir()
    for name, content in contents.items():
        (filer.volume / "out" / name).write_bytes(content)
    url = f"file://{filer.folder}/root/d"
    record.outputs = (Output(path="/out", url=url, type=FileType.DIRECTORY),)
    record.inputs = (Input(path="/in", url=url, type=FileType.DIRECTORY),)

    for direction in ("outputs", "inputs"):
        code, log = filer.run(record, direction)
        assert (code, record.result.error) == (0, ""), log

    for folder in (filer.folder / "root/d", filer.volume / "in"):
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
