"""A filer, the scheduler that it asks, and a web server with a login."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from servers.http import HttpFiles, http_server


@pytest.fixture
def record() -> Iterator[TransferRecord]:
    with transfer_server(TransferRecord()) as record:
        yield record


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server(user="ada", password="s3cr3t") as server:
        yield server


@pytest.fixture
def filer(tmp_path: Path) -> FilerRun:
    (tmp_path / "root").mkdir()
    return FilerRun(tmp_path, (tmp_path / "root",))
