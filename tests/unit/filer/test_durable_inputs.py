"""Inputs are on the disk before the scheduler hears that they have arrived."""

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from simulations.transfer import Bench
from tesk_filer.adapters.file_system_sync import write_file_system
from tesk_filer.adapters.manifest_file import ManifestFile
from tesk_filer.adapters.volume_sync import open_volume_sync
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import FileType, Input

URL = "s3://b/a"
ONE = Input(path="/a", url=URL)


class Disk:
    """Has what was in the volume at the last sync.

    Attributes:
        files: By name; None: it was never synced.
        results: Those that the scheduler had then.
        failure: Of each sync.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.files: dict[str, str] | None = None
        self.results: list[object] = []
        self.failure: OSError | None = None

    def write(self, descriptor: int) -> None:
        assert os.path.samestat(os.fstat(descriptor), self._bench.folder.stat())
        if self.failure is not None:
            raise self.failure
        self.files = self._bench.texts()
        self.results = list(self._bench.transfers.results)


@pytest.fixture
def disk(bench: Bench) -> Disk:
    """The disk of the bench, which has a file to bring."""
    disk = Disk(bench)
    bench.open_sync = partial(open_volume_sync, bench.folder, disk.write)
    bench.storage.files[URL] = b"A"
    return disk


def test_all_inputs_are_on_the_disk_when_they_have_arrived(
    bench: Bench, disk: Disk
) -> None:
    code = bench.bring(ONE, Input(path="/b", content="B"))

    assert code is ExitCode.OK
    assert disk.files == {"a": "A", "b": "B"}
    assert disk.results == []
    assert bench.transfers.results[-1].files == 2


FAILURES = {
    "it breaks": (
        errno.EIO,
        ExitCode.TEMPORARY_FAILURE,
        "inputs: cannot be written to the task's files: Input/output error",
    ),
    "it is full": (
        errno.ENOSPC,
        ExitCode.FAILED,
        "inputs: no space left for the task's files; ask for more disk_gb",
    ),
}


@pytest.mark.parametrize(("number", "code", "want"), FAILURES.values(), ids=FAILURES)
def test_a_disk_fails_the_transfer_that_it_does_not_take_because(
    bench: Bench, disk: Disk, number: int, code: ExitCode, want: str
) -> None:
    disk.failure = OSError(number, os.strerror(number))

    assert bench.bring(ONE) is code
    result = bench.transfers.results[-1]
    assert result.error.startswith(want)
    assert result.input_sizes == ()


def test_inputs_that_failed_are_not_synced(bench: Bench, disk: Disk) -> None:
    assert bench.bring(ONE, Input(path="/b", url="s3://b/no")) is ExitCode.FAILED
    assert disk.files is None


def test_without_a_file_nothing_is_synced(bench: Bench, disk: Disk) -> None:
    bench.storage.directories = {"s3://b/d"}

    bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    assert disk.files is None


def test_what_an_earlier_filer_brought_is_synced_by_the_last(
    bench: Bench, disk: Disk, opened: Callable[..., ManifestFile]
) -> None:
    bench.manifest = opened()
    bench.open_sync, synced = None, bench.open_sync
    bench.bring(ONE)
    bench.manifest, bench.open_sync = opened(), synced

    bench.bring(ONE)

    assert bench.transfers.results[-1].resumed_files == 1
    assert disk.files is not None
    assert disk.files["a"] == "A"


def test_a_volume_that_cannot_be_opened_is_told(bench: Bench) -> None:
    bench.open_sync = partial(open_volume_sync, bench.folder / "missing")

    assert bench.bring(Input(path="/b", content="B")) is ExitCode.FAILED
    assert "inputs: cannot be written to the task's files: No such" in bench.error


def test_a_file_system_of_this_machine_can_be_synced(tmp_path: Path) -> None:
    with open_volume_sync(tmp_path) as sync:
        (tmp_path / "a").write_text("A")
        sync()


def test_a_sync_that_fails_says_why() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        write_file_system(-1)
