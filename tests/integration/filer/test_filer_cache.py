"""Real filers that share a cache, one of which is killed in the middle of a file."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from programs.waiting import eventually
from servers.http import Fault, HttpFiles, http_server
from tesk_model.task import Input

GENOME = b"ACGT" * 500_000


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        server.files["/hg38.fa"] = GENOME
        yield server


class Tasks:
    """Tasks with the same input, each with a volume of its own."""

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self.cache = folder / "cache"
        self._folder = folder
        self._url = url
        self._stack = stack
        self.records: list[TransferRecord] = []

    def start(self) -> "tuple[subprocess.Popen[str], Path]":
        """Start the filer of one more task; return it and where the input arrives."""
        record = self._stack.enter_context(transfer_server(TransferRecord()))
        record.inputs = (Input(path="/in/hg38.fa", url=self._url),)
        folder = self._folder / f"task-{len(self.records)}"
        folder.mkdir()
        self.records.append(record)
        run = FilerRun(
            folder,
            environ={
                "TESK_FILER_CACHE_BYTES": "10000000",
                "TESK_FILER_CACHE_FOLDER": str(self.cache),
                "TESK_FILER_CACHE_FROM": "1",
            },
        )
        process = self._stack.enter_context(run.start(record, "inputs"))
        self._stack.callback(process.kill)
        return process, run.volume / "in" / "hg38.fa"


@pytest.fixture
def tasks(tmp_path: Path, web: HttpFiles) -> Iterator[Tasks]:
    with ExitStack() as stack:
        yield Tasks(tmp_path, f"{web.url}/hg38.fa", stack)


def gets(web: HttpFiles) -> int:
    return sum(method == "GET" for method, _ in web.requests)


def test_a_filer_killed_in_the_middle_of_a_file_holds_nobody_up(
    tasks: Tasks, web: HttpFiles
) -> None:
    web.faults["/hg38.fa"] = [Fault(), Fault(hold_at=1_000_000)]
    killed, _ = tasks.start()
    assert web.held.wait(100)
    second, arrived = tasks.start()
    third, arrived_third = tasks.start()
    # Both ask what there is, and then wait.
    eventually(lambda: len(web.requests) >= 4, what="questions of the others")
    assert gets(web) == 1

    killed.kill()
    killed.wait()

    for process in (second, third):
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
    assert arrived.read_bytes() == arrived_third.read_bytes() == GENOME
    assert gets(web) == 2
    schemes = sorted(
        each.scheme for record in tasks.records[1:] for each in record.result.moved
    )
    assert schemes == ["cache", "http"]
    assert not any((tasks.cache / "partial").iterdir())
    web.release.set()


def test_a_cache_that_cannot_be_used_holds_nothing_up(
    tasks: Tasks, web: HttpFiles
) -> None:
    tasks.cache.write_text("no folder")

    process, arrived = tasks.start()
    _, log = process.communicate(timeout=60)

    assert process.returncode == 0, log
    assert "the cache cannot be written" in log
    assert arrived.read_bytes() == GENOME
    assert gets(web) == 1
