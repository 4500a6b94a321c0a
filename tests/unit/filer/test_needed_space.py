"""What is needed of the disk of a volume is compared with what is free, once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryReader, MemoryStorage
from fakes.filer_volume import volumes_of
from simulations.transfer import Bench
from tesk_filer.adapters.manifest_file import open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.adapters.partial_file import PartialFile
from tesk_filer.domain.expansion import Limits
from tesk_filer.domain.parts import MIB
from tesk_filer.ports import Cursor, Page, Part, Stat, StorageError
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.locations import Location
from tesk_model.task import FileType, Input

URL = "s3://b/large"
HUGE = 10**18  # more than any disk has
DIRECTORY = Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "volume").mkdir()
    return Bench(tmp_path / "volume", parts_from=1)


@pytest.mark.parametrize("parts_from", [1, 2**62], ids=["in parts", "as a stream"])
def test_a_disk_that_is_too_small_is_told_before_anything_moves(
    bench: Bench, parts_from: int
) -> None:
    bench.parts_from = parts_from
    bench.limits = Limits(size=HUGE)
    bench.storage.files = {URL: b"x"}
    bench.storage.announced = {URL: HUGE}

    assert bench.bring(Input(path="/a", url=URL)) is ExitCode.FAILED

    assert "1,000,000,000,000,000,000 bytes are needed and " in bench.error
    assert "are free; ask for more disk_gb" in bench.error
    assert bench.transfers.results[-1].bytes == 0
    assert bench.texts() == {}


def test_a_directory_that_cannot_fit_is_told_before_its_files_move(
    bench: Bench,
) -> None:
    bench.storage.files = {"s3://b/d/a": b"a", "s3://b/d/b": b"b"}
    bench.storage.announced = {"s3://b/d/b": HUGE}

    exit_code = bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    assert exit_code is ExitCode.FAILED
    assert "1,000,000,000,000,000,001 bytes are needed and " in bench.error
    assert not [call for call in bench.storage.calls if call[0] == "open"]


def test_a_disk_that_gets_full_on_the_way_is_told() -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        file = PartialFile(
            full.fileno(), is_resumed=False, publish=lambda _executable: None
        )

        with pytest.raises(StorageError, match="5 bytes are needed") as caught:
            file.write(b"12345", 0)

    assert "ask for more disk_gb" in caught.value.message
    assert not caught.value.transient


@pytest.fixture
def killed(bench: Bench) -> Iterator[Callable[[], None]]:
    """Return what kills the filer of ``bench``: the next one knows its manifest."""
    made = []

    def kill() -> None:
        lines = Lines("token", "a1 inputs")
        made.append(open_manifest(bench.folder / ".tesk", "inputs", lines, "boot"))
        bench.manifest = made[-1]

    kill()
    yield kill
    for manifest in made:
        manifest.close()


@pytest.mark.parametrize("parts_from", [1, 2**62], ids=["in parts", "as a stream"])
def test_what_an_earlier_filer_moved_needs_no_space(
    bench: Bench, killed: Callable[[], None], parts_from: int
) -> None:
    # Pages have two entries each, for which there is no space again.
    files = {f"s3://b/d/{number}": bytes(MIB) for number in range(7)}
    bench.storage.files = dict(list(files.items())[:6])
    bench.parts_from = parts_from
    assert bench.bring(DIRECTORY) is ExitCode.OK
    killed()
    bench.open_volume = volumes_of(8 * MIB - 1)
    bench.storage.files = files

    assert bench.bring(DIRECTORY) is ExitCode.OK, bench.error

    assert bench.transfers.results[-1].resumed_files == 6
    assert len(bench.texts()) == 7 + 1


def test_what_is_gone_from_the_volume_is_brought_and_counted(
    bench: Bench, killed: Callable[[], None]
) -> None:
    bench.storage.files = {f"s3://b/d/{number}": b"12345" for number in range(3)}
    assert bench.bring(DIRECTORY) is ExitCode.OK
    killed()
    (bench.folder / "d/1").unlink()

    assert bench.bring(DIRECTORY) is ExitCode.OK

    assert bench.texts()["d/1"] == "12345"
    result = bench.transfers.results[-1]
    assert (result.files, result.bytes, result.resumed_files) == (3, 15, 2)


def test_a_file_that_was_begun_has_its_space(
    bench: Bench, killed: Callable[[], None]
) -> None:
    bench.seconds = repeat(0.0)
    bench.open_volume = volumes_of(40 * MIB)
    bench.storage.files = {"s3://b/d/1": bytes(20 * MIB)}
    bench.storage.cuts = {"s3://b/d/1": [17 * MIB, *[0] * 20]}
    assert bench.bring(DIRECTORY) is ExitCode.TEMPORARY_FAILURE
    killed()
    bench.storage.cuts.clear()
    bench.storage.files |= {
        f"s3://b/d/{number}": bytes(4 * MIB) for number in (2, 3, 4)
    }

    assert bench.bring(DIRECTORY) is ExitCode.OK, bench.error

    assert bench.transfers.results[-1].resumed_bytes == 16 * MIB


@dataclass
class OneByOne(MemoryStorage):
    """Begins ``/1``, and goes on with it when another directory has been listed."""

    begun: threading.Event = field(default_factory=threading.Event)
    listed: threading.Event = field(default_factory=threading.Event)

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        if location.url == "s3://b/2":
            assert self.begun.wait(10)
        return super().list(location, cursor)

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator[MemoryReader]:
        with super().open(location, part=part, known=known) as reader:
            if location.url == "s3://b/1/large":
                yield _Waiting(reader, self)
            else:
                self.listed.set()
                yield reader


class _Waiting(MemoryReader):
    """Waits before its second read."""

    def __init__(self, reader: MemoryReader, storage: OneByOne) -> None:
        super().__init__(reader.read(2**30), reader.size, reader.etag)
        self._storage = storage
        self._reads = 0

    def read(self, size: int) -> bytes:
        self._reads += 1
        if self._reads > 1:
            self._storage.begun.set()
            assert self._storage.listed.wait(10)
        return super().read(size)


def test_a_large_file_that_has_its_space_is_not_counted_again(bench: Bench) -> None:
    bench.storage = OneByOne(
        files={"s3://b/1/large": bytes(20 * MIB), "s3://b/2/a": bytes(12 * MIB)}
    )
    bench.open_volume = volumes_of(33 * MIB)
    directories = [
        Input(path=f"/{number}", url=f"s3://b/{number}", type=FileType.DIRECTORY)
        for number in (1, 2)
    ]

    assert bench.bring(*directories) is ExitCode.OK, bench.error
