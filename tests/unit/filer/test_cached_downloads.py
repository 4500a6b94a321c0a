"""Inputs that many tasks read come from the cache, if their reader may read them."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.filer_storage import MemoryReader, MemoryStorage
from simulations.transfer import Bench
from tesk_filer.adapters.file_cache import FileCache
from tesk_filer.adapters.manifest_file import open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.domain.credentials import Credential, Login
from tesk_filer.domain.digest_list import DigestList
from tesk_filer.ports import Part, Stat, StorageError
from tesk_filer.ports.transfers import TransferResult
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.locations import Location
from tesk_model.task import FileType, Input

URL = "s3://genomes/hg38.fa"
WEB = "https://data.example.org/hg38.fa"
GENOME = b"ACGT" * 10
MakeBench = Callable[..., Bench]


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage(files={URL: GENOME})


@pytest.fixture
def bench(tmp_path: Path, storage: MemoryStorage) -> MakeBench:
    """Make a transfer of a task of its own, on the one cache and storage."""
    cache = FileCache(
        folder=tmp_path / "cache",
        limit=1000,
        timeout=timedelta(seconds=30),
        warn=lambda _: None,
    )

    def make(owner: str = "", credential: Credential | None = None) -> Bench:
        volume = tmp_path / f"volume-{len(list(tmp_path.iterdir()))}"
        volume.mkdir()
        return Bench(
            volume, storage=storage, cache=cache, owner=owner, credential=credential
        )

    return make


def moved(bench: Bench) -> dict[str, tuple[int, int]]:
    return {
        each.scheme: (each.files, each.bytes)
        for each in bench.transfers.results[-1].moved
    }


def opens(storage: MemoryStorage) -> int:
    return sum(call == "open" for call, _ in storage.calls)


def genome(url: str = URL) -> Input:
    return Input(path="/in/genome.fa", url=url)


def test_the_second_task_takes_it_from_the_cache(
    bench: MakeBench, storage: MemoryStorage
) -> None:
    first, second = bench(), bench()

    assert first.bring(genome()) is ExitCode.OK
    assert second.bring(genome()) is ExitCode.OK

    assert second.texts() == {"in/genome.fa": GENOME.decode()}
    assert opens(storage) == 1
    assert moved(first) == {"s3": (1, 40)}
    assert moved(second) == {"cache": (1, 40)}


def test_files_of_directories_come_from_the_cache(
    bench: MakeBench, storage: MemoryStorage
) -> None:
    storage.files = {"s3://g/d/a": b"aaaa", "s3://g/d/b/c": b"cccc", "s3://g/d/s": b"s"}
    folder = Input(path="/d", url="s3://g/d", type=FileType.DIRECTORY)
    bench().bring(folder)
    second = bench()

    assert second.bring(folder) is ExitCode.OK

    assert second.texts() == {"d/a": "aaaa", "d/b/c": "cccc", "d/s": "s"}
    assert moved(second) == {
        "cache": (2, 8),
        "s3": (1, 1),
    }  # a small one is not asked for


def test_a_new_content_is_not_taken_for_the_old(
    bench: MakeBench, storage: MemoryStorage
) -> None:
    bench().bring(genome())
    storage.files[URL] = b"TTTT" * 10
    second = bench()

    assert second.bring(genome()) is ExitCode.OK

    assert second.texts() == {"in/genome.fa": "TTTT" * 10}
    assert moved(second) == {"s3": (1, 40)}


def test_who_may_not_read_it_any_more_does_not_get_it(
    bench: MakeBench, storage: MemoryStorage
) -> None:
    bench().bring(genome())
    denied = StorageError("access denied (403)")
    storage.faults[URL] = [denied] * 9
    second = bench()

    assert second.bring(genome()) is ExitCode.FAILED

    assert "access denied" in second.error
    assert second.texts() == {}


def test_a_damaged_file_is_dropped_and_downloaded_again(
    bench: MakeBench, storage: MemoryStorage, tmp_path: Path
) -> None:
    bench().bring(genome())
    (kept,) = tmp_path.rglob("content")
    kept.write_bytes(b"AGCT" + GENOME[4:])
    second, third = bench(), bench()

    assert second.bring(genome()) is ExitCode.OK
    assert third.bring(genome()) is ExitCode.OK

    assert second.texts() == third.texts() == {"in/genome.fa": GENOME.decode()}
    result = second.transfers.results[-1]
    assert (result.files, result.bytes) == (1, 40)
    assert opens(storage) == 2
    assert moved(third) == {"cache": (1, 40)}


def test_a_file_that_changed_while_it_came_is_not_kept(
    bench: MakeBench, storage: MemoryStorage, tmp_path: Path
) -> None:
    storage.changes[URL] = [b"TTTT" * 10]
    first = bench()

    assert first.bring(genome()) is ExitCode.OK

    assert list(tmp_path.rglob("content")) == []


class WebStorage(MemoryStorage):
    """Says ETags as http does."""

    def stat(self, location: Location) -> Stat | None:
        found = super().stat(replace(location, query=""))
        return found and replace(found, etag=f'"{found.etag}"')

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator[MemoryReader]:
        plain = known and replace(known, etag=known.etag.strip('"'))
        bare = replace(location, query="")
        with super().open(bare, part=part, known=plain) as reader:
            reader.etag = f'"{reader.etag}"'
            yield reader


def test_what_the_user_says_of_the_content_is_verified_as_well(
    bench: MakeBench,
) -> None:
    right = hashlib.sha256(GENOME).hexdigest()
    web = WebStorage(files={WEB: GENOME})

    def bring(url: str) -> Bench:
        made = bench()
        made.storage = web
        made.bring(genome(url))
        return made

    bring(WEB)
    second = bring(f"{WEB}#sha256={right}")
    third = bring(f"{WEB}#sha256={'0' * 64}")

    assert moved(second) == {"cache": (1, 40)}
    assert "sha256" in third.error
    assert third.texts() == {}


def test_a_wrong_checksum_in_a_url_takes_nothing_from_others(bench: MakeBench) -> None:
    web = WebStorage(files={WEB: GENOME})
    benches = [replace(bench(), storage=web) for _ in range(3)]
    wrong = f"{WEB}#sha256={'0' * 64}"

    first, second, third = (
        each.bring(genome(url))
        for each, url in zip(benches, [WEB, wrong, WEB], strict=True)
    )

    assert (first, second, third) == (ExitCode.OK, ExitCode.FAILED, ExitCode.OK)
    assert "not " + "0" * 64 + " as announced" in benches[1].error
    assert moved(benches[2]) == {"cache": (1, 40)}


def test_what_came_damaged_and_was_kept_is_replaced_for_who_knows_its_checksum(
    bench: MakeBench,
) -> None:
    web = WebStorage(files={WEB: GENOME}, damages={WEB: 1})
    benches = [replace(bench(), storage=web) for _ in range(3)]
    right = f"{WEB}#sha256={hashlib.sha256(GENOME).hexdigest()}"

    ends = [
        each.bring(genome(url))
        for each, url in zip(benches, [WEB, right, WEB], strict=True)
    ]

    assert ends == [ExitCode.OK] * 3
    assert opens(web) == 2
    assert moved(benches[2]) == {"cache": (1, 40)}
    assert benches[2].texts() == {"in/genome.fa": GENOME.decode()}


def test_a_damaged_file_is_told_from_a_wrong_checksum(
    bench: MakeBench, tmp_path: Path
) -> None:
    web = WebStorage(files={WEB: GENOME})
    first, second = (replace(bench(), storage=web) for _ in range(2))
    first.bring(genome(WEB))
    (kept,) = tmp_path.rglob("content")
    kept.write_bytes(b"AGCT" + GENOME[4:])

    right = hashlib.sha256(GENOME).hexdigest()
    assert second.bring(genome(f"{WEB}#sha256={right}")) is ExitCode.OK

    assert second.texts() == {"in/genome.fa": GENOME.decode()}
    assert opens(web) == 2


def test_many_tasks_at_once_download_it_once(
    bench: MakeBench, storage: MemoryStorage
) -> None:
    benches = [bench() for _ in range(4)]
    threads = [threading.Thread(target=each.bring, args=[genome()]) for each in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(each.texts() == {"in/genome.fa": GENOME.decode()} for each in benches)
    assert opens(storage) == 1


OWNERS = st.sampled_from(["alice", "bob", "carol"])


@settings(max_examples=25, deadline=None)
@given(readers=st.lists(st.tuples(OWNERS, st.booleans()), min_size=1, max_size=8))
def test_what_a_login_gave_is_never_served_to_another_owner(
    tmp_path_factory: pytest.TempPathFactory, readers: list[tuple[str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("owners")
    storage = MemoryStorage(files={URL: GENOME})
    cache = FileCache(
        folder=folder / "cache", limit=1000, timeout=timedelta(1), warn=lambda _: None
    )
    brought: set[str] = set()
    for number, (owner, has_login) in enumerate(readers):
        volume = folder / str(number)
        volume.mkdir()
        bench = Bench(
            volume,
            storage=storage,
            cache=cache,
            owner=owner,
            credential=Login(user=owner, password="p") if has_login else None,
        )
        reader = owner if has_login else "everybody"
        before = opens(storage)

        assert bench.bring(genome()) is ExitCode.OK

        assert (opens(storage) == before) is (reader in brought)
        brought.add(reader)


def test_a_filer_that_is_started_again_takes_nothing_twice(
    bench: MakeBench, storage: MemoryStorage, tmp_path: Path
) -> None:
    bench().bring(genome())
    first = bench()

    def start(made: Bench) -> TransferResult:
        lines = Lines("secret", "inputs")
        with closing(open_manifest(tmp_path / "own", "m", lines, "boot")) as manifest:
            again = replace(made, manifest=manifest)
            assert again.bring(genome()) is ExitCode.OK
            return again.transfers.results[-1]

    taken, resumed = start(first), start(first)

    assert [each.scheme for each in taken.moved] == ["cache"]
    assert (resumed.resumed_files, resumed.files, resumed.moved) == (1, 1, ())
    assert opens(storage) == 1


def test_a_file_from_the_cache_has_its_digest(bench: MakeBench) -> None:
    bench().bring(genome())
    digests = DigestList()
    second = replace(bench(), digests=digests)

    second.bring(genome())

    assert moved(second) == {"cache": (1, 40)}
    assert hashlib.sha256(GENOME).hexdigest() in digests.text()
