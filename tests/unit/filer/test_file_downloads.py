"""Files that are large, damaged, changed or too many for the disk."""

import hashlib
import threading
from array import array
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.filer_storage import MemoryStorage
from simulations.transfer import Bench
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.checksums import choose_checks
from tesk_filer.domain.parts import MIB, cut, part_size, streams_for
from tesk_filer.ports import NO_CHECKSUMS, Part, StorageError
from tesk_filer.usecases.large_download import Helpers, LargeDownload, LargeFile
from tesk_filer.usecases.part_queue import PartQueue
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer import ExitCode
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_model.locations import parse_location
from tesk_model.task import FileType, Input

URL = "s3://b/large"
HUGE = 10**18  # more than any disk has


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "volume").mkdir()
    return Bench(tmp_path / "volume", parts_from=1)


def large(size: int = 20 * MIB) -> bytes:
    """Return bytes that differ at each place."""
    return array("I", range(size // 4)).tobytes() + bytes(size % 4)


def passing() -> StorageError:
    return StorageError("busy", transient=True)


@given(size=st.integers(0, 6_000_000_000_000))
def test_parts_are_the_whole_file_in_order(size: int) -> None:
    step = part_size(size)
    first = list(zip(range(3), cut(size), strict=False))

    assert [start for _, (start, _) in first] == [
        at for at in (0, step, 2 * step) if at < size
    ]
    assert all(0 < stop - start <= step for _, (start, stop) in first)
    assert size / step <= 10_000
    assert step >= 16 * MIB


@given(rate=st.floats(0, 1e12), most=st.integers(1, 64))
def test_a_slow_connection_gets_help_and_a_fast_one_none(
    rate: float, most: int
) -> None:
    streams = streams_for(rate, most)

    assert 1 <= streams <= most
    assert streams == 1 or rate < 500e6
    assert streams in (most, 16) or streams * rate >= 500e6


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(min_size=1, max_size=400),
    step=st.integers(1, 60),
    cuts=st.lists(st.integers(0, 400), max_size=4),
    helpers=st.integers(0, 4),
)
def test_a_file_in_parts_arrives_whole_whatever_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    step: int,
    cuts: list[int],
    helpers: int,
) -> None:
    folder = tmp_path_factory.mktemp("volume")
    storage = MemoryStorage(files={URL: content}, cuts={URL: cuts})
    progress = TransferProgress("inputs", threading.Event(), clock=lambda: 0.0)
    seconds = iter(range(10_000))
    threads: list[threading.Thread] = []

    def offer(work: Callable[[], None], copies: int) -> None:
        threads.extend(
            threading.Thread(target=work) for _ in range(min(copies, helpers))
        )
        for thread in threads:
            thread.start()

    arrived: list[Part] = []
    location = parse_location(URL)
    retry = Retry(
        tries=6, backoff=timedelta(), longest=timedelta(), halt=threading.Event()
    )
    with (
        FolderVolume(folder).begin_parts(
            "/a", len(content), resumed="", renew=lambda: None
        ) as arriving,
        progress.of_file("s3", path="/a") as file_progress,
    ):
        file = LargeFile(
            size=len(content),
            open=lambda part: storage.open(location, part=part),
            arriving=arriving,
            progress=file_progress,
            arrived=arrived.append,
        )
        parts = [
            Part(at, min(at + step, len(content)))
            for at in range(0, len(content), step)
        ]
        clock = Helpers(offer=offer, most=5, now=lambda: next(seconds))
        download = LargeDownload(file, PartQueue(parts), retry, clock)
        download.run(storage.open(location), 0)
        for thread in threads:
            thread.join()
        arriving.finish(NO_CHECKSUMS, lambda _: None, executable=False)

    assert (folder / "a").read_bytes() == content
    assert sorted(arrived, key=lambda part: part.start) == parts
    assert progress.status().bytes_done == len(content)


def test_a_large_file_comes_by_several_connections(bench: Bench) -> None:
    bench.storage.files = {URL: large()}

    assert bench.bring(Input(path="/a", url=URL)) is ExitCode.OK

    assert (bench.folder / "a").read_bytes() == large()
    assert bench.storage.calls.count(("open", URL)) > 1
    assert bench.transfers.results[-1].bytes == 20 * MIB


def test_a_part_that_fails_is_tried_again_alone(bench: Bench) -> None:
    bench.storage.files = {URL: large()}
    bench.storage.cuts = {URL: [17 * MIB]}

    assert bench.bring(Input(path="/a", url=URL)) is ExitCode.OK

    assert (bench.folder / "a").read_bytes() == large()
    assert bench.transfers.results[-1].bytes == 20 * MIB
    assert len(bench.storage.calls) <= 4


def test_a_part_that_cannot_be_read_fails_the_file(bench: Bench) -> None:
    bench.storage.files = {URL: large()}
    bench.storage.cuts = {URL: [0] * 20}

    assert bench.bring(Input(path="/a", url=URL)) is ExitCode.TEMPORARY_FAILURE
    assert "of 20971520 bytes arrived" in bench.error
    assert not (bench.folder / "a").exists()


def test_a_file_that_changed_since_it_was_listed_is_read_as_it_is_now(
    bench: Bench,
) -> None:
    bench.storage.files = {"s3://b/d/a": b"old"}
    bench.storage.changes = {"s3://b/d/a": [b"newer"]}

    exit_code = bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    assert exit_code is ExitCode.OK
    assert bench.texts() == {"d/a": "newer"}


def test_a_file_that_changes_while_its_parts_are_read_begins_anew(
    bench: Bench,
) -> None:
    old, new = large(), large(18 * MIB)
    bench.storage.files = {URL: old}
    bench.storage.cuts = {URL: [MIB]}
    bench.storage.changes = {URL: [old, new]}

    assert bench.bring(Input(path="/a", url=URL)) is ExitCode.OK
    assert (bench.folder / "a").read_bytes() == new
    assert bench.transfers.results[-1].bytes == len(new)


def test_a_file_that_keeps_changing_fails_for_good(bench: Bench) -> None:
    versions = [large(17 * MIB + 4 * number) for number in range(5)]
    bench.storage.files = {URL: versions[0]}
    bench.storage.cuts = {URL: [MIB] * 6}
    bench.storage.changes = {URL: versions}

    assert bench.bring(Input(path="/a", url=URL)) is ExitCode.FAILED
    assert "changed while it was read, twice; see that it is complete" in bench.error
    assert bench.texts() == {}


def crc32c(content: bytes) -> str:
    checksum = google_crc32c.Checksum(content)  # type: ignore[no-untyped-call]
    return str(checksum.digest().hex())  # type: ignore[no-untyped-call]


STORED = {
    "md5": lambda content: hashlib.md5(content).hexdigest(),  # noqa: S324 - of storages
    "sha1": lambda content: hashlib.sha1(content).hexdigest(),  # noqa: S324 - likewise
    "sha256": lambda content: hashlib.sha256(content).hexdigest(),
    "crc32c": crc32c,
}


@pytest.mark.parametrize("parts_from", [1, 2**40], ids=["in parts", "as a stream"])
@pytest.mark.parametrize("algorithm", STORED)
def test_damage_is_found_by_what_the_storage_says(
    bench: Bench, algorithm: str, parts_from: int
) -> None:
    bench.parts_from = parts_from
    content = large(2 * MIB)
    bench.storage.files = {URL: content}
    bench.storage.checksums = {URL: {algorithm: STORED[algorithm](content)}}
    bench.storage.damages = {URL: 1}

    assert bench.bring(Input(path="/a", url=URL)) is ExitCode.OK
    assert (bench.folder / "a").read_bytes() == content

    bench.storage.damages = {URL: 2}

    assert bench.bring(Input(path="/b", url=URL)) is ExitCode.FAILED
    assert f"arrived with {algorithm} " in bench.error
    assert "as announced, twice" in bench.error
    assert [path.name for path in bench.folder.iterdir()] == ["a"]


def test_a_url_says_what_its_file_must_be(bench: Bench) -> None:
    url = "https://host/a?x=1"
    bench.storage.files = {
        f"{url}#sha256={digest}": b"content"
        for digest in (hashlib.sha256(b"content").hexdigest(), "0" * 64)
    }
    right, wrong = bench.storage.files

    assert bench.bring(Input(path="/a", url=right)) is ExitCode.OK
    assert bench.bring(Input(path="/b", url=wrong)) is ExitCode.FAILED
    assert f"not {'0' * 64} as announced, twice" in bench.error


def test_a_directory_has_no_checksum(bench: Bench) -> None:
    url = f"https://host/d/#sha256={'0' * 64}"
    bench.storage.files = {"https://host/d/a": b"A"}

    assert bench.bring(Input(path="/d", url=url, type=FileType.DIRECTORY)) is (
        ExitCode.FAILED
    )
    assert "a checksum in the url is for one file, not a directory" in bench.error


def test_a_checksum_that_cannot_be_one_is_told(bench: Bench) -> None:
    assert bench.bring(Input(path="/a", url="https://host/a#md5=12")) is (
        ExitCode.FAILED
    )
    assert "#md5= must be followed by 32 hexadecimal digits" in bench.error


CHOICES = {
    "of those that are stored, the cheapest": (
        ({}, {"md5": "1", "crc32c": "2"}, ()),
        {"crc32c": "2"},
    ),
    "all that the user asks for": (
        ({"md5": "1", "sha256": "2"}, {"crc32c": "3"}, ()),
        {"md5": "1", "sha256": "2"},
    ),
    "what is computed anyway, if it is stored": (
        ({}, {"crc32c": "1", "sha256": "2"}, ("sha256",)),
        {"sha256": "2"},
    ),
    "what is computed anyway, and one that is stored": (
        ({}, {"crc32c": "1"}, ("sha256",)),
        {"sha256": "", "crc32c": "1"},
    ),
    "none that is not known here": (({}, {"blake9": "1"}, ()), {}),
}


@pytest.mark.parametrize(("given_", "want"), CHOICES.values(), ids=CHOICES)
def test_what_is_verified(
    given_: tuple[dict[str, str], dict[str, str], tuple[str, ...]],
    want: dict[str, str],
) -> None:
    assert choose_checks(*given_) == want
