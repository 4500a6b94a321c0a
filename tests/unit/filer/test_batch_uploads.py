"""Small outputs are completed in batches, or by themselves where that fails."""

from pathlib import Path

import pytest

from fakes.filer_batches import MemoryBatches
from simulations.transfer import Bench
from tesk_filer.domain.digest_list import DigestList
from tesk_filer.domain.expansion import Limits
from tesk_filer.domain.file_batches import FileBatch
from tesk_filer.ports import StorageError
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import FileType, Output, OutputFileLog

MIB = 1024 * 1024
ALL = Output(path="/o", url="file:///x", type=FileType.DIRECTORY)


@pytest.fixture
def storage() -> MemoryBatches:
    return MemoryBatches()


@pytest.fixture
def batching(tmp_path: Path, storage: MemoryBatches) -> Bench:
    (tmp_path / "volume/o").mkdir(parents=True)
    return Bench(tmp_path / "volume", storage=storage)


def write_files(bench: Bench, count: int) -> dict[str, bytes]:
    """Write files; return what is to be at which url."""
    contents = {f"{number:03}": bytes(number % 7) for number in range(count)}
    for name, content in contents.items():
        (bench.folder / "o" / name).write_bytes(content)
    return {f"file:///x/{name}": content for name, content in contents.items()}


def listed(bench: Bench) -> list[str]:
    return sorted(file.url for file in bench.transfers.files)


def test_many_small_outputs_take_few_commits(
    batching: Bench, storage: MemoryBatches
) -> None:
    files = write_files(batching, 200)

    assert batching.take(ALL) is ExitCode.OK

    assert storage.files == files
    assert sum(storage.commits) == 200
    assert len(storage.commits) == 4
    assert listed(batching) == sorted(files)
    result = batching.transfers.results[-1]
    assert (result.files, result.bytes) == (200, sum(map(len, files.values())))


def test_outputs_of_a_file_each_share_a_batch(
    batching: Bench, storage: MemoryBatches
) -> None:
    files = write_files(batching, 10)
    outputs = [Output(path=f"/o/{url[-3:]}", url=url) for url in files]

    assert batching.take(*outputs) is ExitCode.OK

    assert storage.files == files
    assert storage.commits == [10]


def test_a_large_output_is_taken_by_itself(
    batching: Bench, storage: MemoryBatches
) -> None:
    (batching.folder / "o/large").write_bytes(bytes(MIB + 1))
    (batching.folder / "o/small").write_bytes(b"x")

    assert batching.take(ALL) is ExitCode.OK

    assert storage.commits == [1]
    assert ("write", "file:///x/large") in storage.calls
    assert len(batching.transfers.files) == 2


def test_nothing_is_listed_of_a_commit_that_failed_until_it_is_sent_again(
    batching: Bench, storage: MemoryBatches
) -> None:
    files = write_files(batching, 10)
    storage.commit_faults = [StorageError("cannot be used")]

    assert batching.take(ALL) is ExitCode.OK

    assert storage.commits == []
    assert sorted(url for call, url in storage.calls if call == "write") == listed(
        batching
    )
    assert storage.files == files
    result = batching.transfers.results[-1]
    assert (result.files, result.bytes) == (10, sum(map(len, files.values())))
    assert [each.failed for each in result.moved] == [0]


def test_an_output_that_cannot_be_written_is_named_and_the_others_are_taken(
    batching: Bench, storage: MemoryBatches
) -> None:
    files = write_files(batching, 10)
    denied = StorageError("access denied")
    storage.faults = {"file:///x/003": [denied, denied]}

    assert batching.take(ALL) is ExitCode.FAILED

    assert batching.error == "outputs[0] (/o/003): file:///x/003: access denied"
    del files["file:///x/003"]
    assert storage.files == files
    assert storage.commits == [9]
    assert listed(batching) == sorted(files)


def test_an_output_that_fails_once_is_tried_again_by_itself(
    batching: Bench, storage: MemoryBatches
) -> None:
    files = write_files(batching, 10)
    storage.faults = {"file:///x/003": [StorageError("busy", transient=True)] * 2}

    assert batching.take(ALL) is ExitCode.OK

    assert storage.files == files
    assert storage.commits == [9]


def test_an_output_that_is_too_large_is_named(
    batching: Bench, storage: MemoryBatches
) -> None:
    write_files(batching, 7)
    batching.limits = Limits(size=5)

    assert batching.take(ALL) is ExitCode.FAILED

    assert "(/o/006)" in batching.error
    assert "one file may have 5" in batching.error
    assert len(storage.files) == 6


def test_digests_of_a_batch_are_taken(batching: Bench) -> None:
    files = write_files(batching, 3)
    batching.digests = DigestList()

    assert batching.take(ALL) is ExitCode.OK

    assert batching.transfers.results[-1].sha256
    assert len(batching.transfers.files) == len(files)


def test_a_batch_is_bounded_in_files_bytes_and_folders() -> None:
    by_files, by_bytes, by_folders = (FileBatch[int](100) for _ in range(3))
    for number in range(100):
        assert not by_files.is_full
        by_files.add(number, size=1, path="/d/x")
    while not by_bytes.is_full:
        by_bytes.add(0, size=MIB, path="/d/x")
    while not by_folders.is_full:
        by_folders.add(0, size=0, path=f"/{len(by_folders.files)}/x")

    assert by_files.is_full
    assert (len(by_bytes.files), len(by_folders.files)) == (16, 16)


def test_a_file_that_is_larger_than_a_batch_takes_goes_by_itself(
    batching: Bench, storage: MemoryBatches
) -> None:
    (batching.folder / "o/small").write_bytes(b"abc")
    (batching.folder / "o/large").write_bytes(b"abcd")
    storage.small = 3

    assert batching.take(ALL) is ExitCode.OK

    assert storage.commits == [1]
    assert storage.files == {"file:///x/small": b"abc", "file:///x/large": b"abcd"}


def test_what_is_listed_has_path_and_size(batching: Bench) -> None:
    (batching.folder / "o/a").write_bytes(b"abc")

    batching.take(ALL)

    assert batching.transfers.files == [
        OutputFileLog(url="file:///x/a", path="/o/a", size_bytes=3)
    ]
