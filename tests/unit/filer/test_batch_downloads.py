"""Small inputs come in batches, or by themselves where that fails."""

from pathlib import Path

import pytest

from fakes.filer_batches import MemoryBatches
from simulations.transfer import Bench
from tesk_filer.adapters.manifest_file import open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.domain.batch_load import BatchLoad
from tesk_filer.domain.digest_list import DigestList
from tesk_filer.domain.expansion import Limits
from tesk_filer.ports import HaltedError, StorageError
from tesk_filer.ports.manifest import Manifest
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import FileType, Input

ALL = Input(path="/i", url="file:///x", type=FileType.DIRECTORY)
NAMES = [f"{number:03}" for number in range(200)]


@pytest.fixture
def storage() -> MemoryBatches:
    return MemoryBatches({f"file:///x/{n}": f"content {n}".encode() for n in NAMES})


@pytest.fixture
def bench(tmp_path: Path, storage: MemoryBatches) -> Bench:
    (tmp_path / "volume").mkdir()
    return Bench(tmp_path / "volume", storage=storage)


def manifest_of(bench: Bench) -> Manifest:
    """Open the manifest, as each filer does."""
    return open_manifest(bench.folder / ".tesk", "m", Lines("token", "a1"), "boot")


def opened(storage: MemoryBatches) -> list[str]:
    return [url for call, url in storage.calls if call == "open"]


def texts() -> dict[str, str]:
    return {f"i/{name}": f"content {name}" for name in NAMES}


def test_many_small_inputs_arrive_and_are_counted(bench: Bench) -> None:
    assert bench.bring(ALL) is ExitCode.OK

    assert bench.texts() == texts()
    result = bench.transfers.results[-1]
    assert (result.files, result.bytes) == (200, 200 * len("content 000"))


def test_what_a_batch_brought_is_not_brought_again(
    bench: Bench, storage: MemoryBatches
) -> None:
    bench.manifest = manifest_of(bench)
    assert bench.bring(ALL) is ExitCode.OK
    storage.calls.clear()

    bench.manifest = manifest_of(bench)
    assert bench.bring(ALL) is ExitCode.OK

    assert opened(storage) == []
    assert bench.transfers.results[-1].files == 200


def test_what_a_batch_brought_and_is_gone_comes_by_itself(
    bench: Bench, storage: MemoryBatches
) -> None:
    bench.manifest = manifest_of(bench)
    assert bench.bring(ALL) is ExitCode.OK
    storage.calls.clear()
    (bench.folder / "i/003").unlink()

    bench.manifest = manifest_of(bench)
    assert bench.bring(ALL) is ExitCode.OK

    assert opened(storage) == ["file:///x/003"]
    assert bench.texts().items() >= texts().items()
    result = bench.transfers.results[-1]
    assert (result.files, result.resumed_files) == (200, 199)


def test_an_input_that_fails_once_is_tried_again_by_itself(
    bench: Bench, storage: MemoryBatches
) -> None:
    storage.faults = {"file:///x/003": [StorageError("busy", transient=True)] * 2}
    storage.cuts = {"file:///x/004": [3]}

    assert bench.bring(ALL) is ExitCode.OK

    assert bench.texts() == texts()
    result = bench.transfers.results[-1]
    assert (result.files, result.bytes) == (200, 200 * len("content 000"))
    assert [each.failed for each in result.moved] == [0]


def test_a_batch_that_ends_early_is_brought_one_by_one(
    bench: Bench, storage: MemoryBatches
) -> None:
    storage.open_faults = [StorageError("the server lost its connection")]

    assert bench.bring(ALL) is ExitCode.OK

    assert bench.texts() == texts()
    result = bench.transfers.results[-1]
    assert (result.files, result.bytes) == (200, 200 * len("content 000"))
    assert sorted(opened(storage)) == sorted(f"file:///x/{name}" for name in NAMES)


def test_what_is_larger_than_a_batch_takes_comes_by_itself(
    bench: Bench, storage: MemoryBatches
) -> None:
    storage.small = len("content 000") - 1
    storage.open_faults = [StorageError("never asked")]

    assert bench.bring(ALL) is ExitCode.OK

    assert bench.texts() == texts()
    assert len(storage.open_faults) == 1


def test_an_input_that_cannot_be_read_is_named(
    bench: Bench, storage: MemoryBatches
) -> None:
    storage.faults = {"file:///x/003": [StorageError("access denied")] * 2}

    assert bench.bring(ALL) is ExitCode.FAILED

    assert bench.error == "inputs[0] (/i/003): file:///x/003: access denied"


def test_an_input_that_has_changed_since_it_was_listed_comes_as_it_is(
    bench: Bench, storage: MemoryBatches
) -> None:
    storage.changes = {"file:///x/003": [b"another"]}

    assert bench.bring(ALL) is ExitCode.OK

    assert bench.texts()["i/003"] == "another"


def test_an_input_that_is_too_large_is_named(bench: Bench) -> None:
    bench.limits = Limits(size=5)

    assert bench.bring(ALL) is ExitCode.FAILED

    assert "one file may have 5" in bench.error


def test_digests_of_a_batch_are_taken(bench: Bench) -> None:
    bench.digests = DigestList()

    assert bench.bring(ALL) is ExitCode.OK

    assert "list of 200 files" in bench.transfers.results[-1].sha256


def test_what_came_before_a_halt_is_recorded(
    bench: Bench, storage: MemoryBatches
) -> None:
    class Halting(MemoryBatches):
        def open(self, location, **given):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN202 - as its base
            if location.url.endswith("/005"):
                raise HaltedError
            return super().open(location, **given)

    bench.storage = Halting(storage.files)
    bench.manifest = manifest_of(bench)
    bench.bring(ALL)

    manifest = manifest_of(bench)

    assert manifest.moved("/i/004", "file:///x/004") is not None
    assert manifest.moved("/i/005", "file:///x/005") is None


LOADS = {
    "threads that compute": ([(0.1, 0.1)] * 9, 0),
    "threads that wait for a file server": ([(1.0, 0.01)] * 9, 8),
    "waiting that has an end": ([(1.0, 0.01)] * 9 + [(0.1, 0.1)] * 9, 0),
    "a slow disk after a fast one": ([(0.1, 0.1)] * 9 + [(0.3, 0.1)], 1),
    "no time that could be measured": ([(0.0, 0.0)], 0),
}


@pytest.mark.parametrize(("batches", "want"), LOADS.values(), ids=LOADS)
def test_more_threads_where_they_wait(
    batches: list[tuple[float, float]], want: int
) -> None:
    load = BatchLoad(8)

    for seconds, computed in batches:
        load.measured(seconds, computed)

    assert load.threads == want
