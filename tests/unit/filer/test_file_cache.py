"""The folder that filers share as their cache."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from files.cache import LIMIT, cache_in, keep, key_of, opened, read, sizes
from programs.waiting import eventually
from tesk_filer.adapters.file_cache import FileCache
from tesk_filer.domain.cache_keys import CacheKey
from tesk_filer.ports import HaltedError


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return cache_in(tmp_path / "cache")


def test_a_file_is_there_for_others_once_it_is_kept(
    cache: FileCache, tmp_path: Path
) -> None:
    content = b"ACGT" * 10

    assert read(cache, "k", content) is None
    keep(cache, tmp_path, "k", content)

    assert read(cache_in(cache.folder), "k", content) == content
    assert read(cache, "other", content) is None


def test_a_file_of_the_cache_is_no_link_to_that_of_a_task(
    cache: FileCache, tmp_path: Path
) -> None:
    content = b"x" * 100
    keep(cache, tmp_path, "k", content)

    (tmp_path / "source").write_bytes(b"y" * 100)

    assert read(cache, "k", content) == content
    (entry,) = cache.folder.rglob("content")
    assert entry.stat().st_nlink == 1
    assert entry.stat().st_mode & 0o077 == 0


def test_a_file_that_was_cut_is_dropped(cache: FileCache, tmp_path: Path) -> None:
    content = b"x" * 100
    keep(cache, tmp_path, "k", content)
    (entry,) = cache.folder.rglob("content")
    os.truncate(entry, 50)

    assert read(cache, "k", content) is None
    assert list(cache.folder.rglob("content")) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"md5": "1"}'])
def test_a_file_whose_description_is_damaged_is_not_there(
    cache: FileCache, tmp_path: Path, text: str
) -> None:
    content = b"x" * 100
    keep(cache, tmp_path, "k", content)
    (about,) = cache.folder.rglob("about.json")
    about.write_text(text)

    assert read(cache, "k", content) is None
    keep(cache, tmp_path, "k", content)
    assert read(cache, "k", content) == content


def test_what_was_used_the_longest_ago_goes_first(
    cache: FileCache, tmp_path: Path
) -> None:
    contents = {name: name.encode() * 400 for name in "abc"}
    for age, name in ((30, "a"), (20, "b")):
        keep(cache, tmp_path, name, contents[name])
        os.utime(cache.folder / "entries" / name, (age, age))
    assert read(cache, "a", contents["a"]) is not None  # used now

    keep(cache, tmp_path, "c", contents["c"])

    there = [name for name in "abc" if read(cache, name, contents[name])]
    assert there == ["a", "c"]


def test_a_file_larger_than_the_cache_evicts_nothing(
    cache: FileCache, tmp_path: Path
) -> None:
    keep(cache, tmp_path, "a", b"a" * 500)
    keep(cache, tmp_path, "b", b"b" * (LIMIT + 1))

    assert read(cache, "a", b"a" * 500) is not None
    assert read(cache, "b", b"b" * (LIMIT + 1)) is None


def test_one_who_reads_goes_on_when_the_file_is_evicted(
    cache: FileCache, tmp_path: Path
) -> None:
    content = b"a" * 900
    keep(cache, tmp_path, "a", content)

    with cache.open(key_of("a", content)) as reader:
        keep(cache, tmp_path, "b", b"b" * 900)
        assert reader is not None
        assert reader.read(LIMIT) == content

    assert read(cache, "a", content) is None


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 700)), max_size=14
    )
)
def test_the_cache_never_exceeds_its_limit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("limits")
    cache = cache_in(folder / "cache")
    for name, size in steps:
        content = name.encode() * size
        keep(cache, folder, f"{name}{size}", content)

        assert sizes(cache) <= LIMIT
        assert read(cache, f"{name}{size}", content) == content


def test_what_is_written_now_counts_and_is_not_removed(
    cache: FileCache, tmp_path: Path
) -> None:
    seen: list[bytes | None] = []

    def meanwhile(_: int) -> None:
        if not seen:
            seen.append(None)
            other = tmp_path / "other"
            other.mkdir()
            keep(cache_in(cache.folder), other, "b", b"b" * 600)
            seen[0] = read(cache, "b", b"b" * 600)

    content = b"a" * 600
    with opened(tmp_path, content) as source:
        cache.keep(key_of("a", content), source, meanwhile)

    assert seen == [None]  # there was no room beside the first
    assert read(cache, "a", content) == content


def test_a_stop_leaves_nothing_behind(cache: FileCache, tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise HaltedError

    content = b"a" * 600
    with opened(tmp_path, content) as source, pytest.raises(HaltedError):
        cache.keep(key_of("a", content), source, stop)

    assert sizes(cache) == 0
    assert list((cache.folder / "partial").iterdir()) == []


def test_one_brings_a_file_while_others_wait(cache: FileCache) -> None:
    key = CacheKey(name="k", size=1)
    order: list[str] = []
    first_in, waited = threading.Event(), threading.Event()

    def first() -> None:
        with cache.alone(key, lambda: None):
            first_in.set()
            waited.wait(30)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    first_in.wait(30)
    with cache_in(cache.folder).alone(key, waited.set):
        order.append("second")
    thread.join()

    assert order == ["first", "second"]
    assert list((cache.folder / "alone").iterdir()) == []


def test_nobody_waits_for_ever(cache: FileCache) -> None:
    key = CacheKey(name="k", size=1)
    impatient = cache_in(cache.folder, seconds=0)

    with cache.alone(key, lambda: None), impatient.alone(key, lambda: None):
        assert (cache.folder / "alone" / "k").exists()


def test_a_stop_ends_the_wait(cache: FileCache) -> None:
    key = CacheKey(name="k", size=1)

    def stop() -> None:
        raise HaltedError

    with (
        cache.alone(key, lambda: None),
        pytest.raises(HaltedError),
        cache_in(cache.folder).alone(key, stop),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_said_and_does_no_harm(
    tmp_path: Path,
) -> None:
    (tmp_path / "cache").write_text("a file")
    log: list[str] = []
    cache = cache_in(tmp_path / "cache", log=log)
    content = b"x" * 100

    keep(cache, tmp_path, "k", content)
    with cache.alone(key_of("k", content), lambda: None):
        assert read(cache, "k", content) is None

    assert any("the cache cannot be written" in line for line in log)


WRITER = """
import os, sys, time
from datetime import timedelta
from pathlib import Path
from tesk_filer.adapters.file_cache import FileCache
from tesk_filer.domain.cache_keys import CacheKey
from tesk_filer.ports import Source

folder, where = Path(sys.argv[1]), sys.argv[2]
cache = FileCache(folder=folder / "cache", limit=1000, timeout=timedelta(1), warn=print)
key = CacheKey(name="k", size=600)

def hang(_=0):
    print("hangs", flush=True)
    time.sleep(600)

if where == "alone":
    with cache.alone(key, lambda: None):
        hang()
file = os.open(folder / "source", os.O_RDONLY)
cache.keep(key, Source(descriptor=file, size=600, executable=False, tag=""), hang)
"""


@pytest.mark.parametrize("where", ["writing", "alone"])
def test_a_filer_killed_in_the_middle_leaves_nothing_that_counts(
    tmp_path: Path, where: str
) -> None:
    content = b"a" * 600
    (tmp_path / "source").write_bytes(content)
    cache = cache_in(tmp_path / "cache")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path, where], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hangs\n"
        key = key_of("k", content)
        left = cache.folder / ("partial" if where == "writing" else "alone")
        assert list(left.iterdir()) != []
        if where == "writing":
            keep(cache, tmp_path, "big", b"b" * 600)  # no room beside the living
            assert read(cache, "big", b"b" * 600) is None
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    with cache.alone(key, lambda: None):  # at once: the lock went with its holder
        assert read(cache, "k", content) is None
        keep(cache, tmp_path, "big", b"b" * 600)
    assert read(cache, "big", b"b" * 600) is not None
    eventually(lambda: not list((cache.folder / "partial").iterdir()), what="no waste")
