"""A cache whose disk has less room than it may take."""

import os
from pathlib import Path

import pytest

from files.cache import cache_in, keep, key_of, opened, read
from tesk_filer.adapters.disk_space import spare_bytes
from tesk_filer.adapters.file_cache import FileCache
from tesk_runtime.file_lock import FileLock


def on_a_disk(tmp_path: Path, size: int, log: list[str]) -> FileCache:
    """Return a cache on a disk that has less room than the cache may take."""

    def spare(folder: Path) -> int:
        return size - sum(file.stat().st_size for file in folder.rglob("content"))

    return cache_in(tmp_path / "cache", log=log, spare=spare)


def test_the_cache_makes_room_on_a_disk_that_is_smaller_than_its_limit(
    tmp_path: Path,
) -> None:
    log: list[str] = []
    cache = on_a_disk(tmp_path, 500, log)
    keep(cache, tmp_path, "a", b"a" * 300)

    keep(cache, tmp_path, "b", b"b" * 300)

    assert read(cache, "a", b"a" * 300) is None
    assert read(cache, "b", b"b" * 300) is not None
    assert log == []


def test_a_file_for_which_the_disk_has_no_room_is_not_begun(tmp_path: Path) -> None:
    log: list[str] = []
    cache = on_a_disk(tmp_path, 500, log)
    keep(cache, tmp_path, "a", b"a" * 300)
    moved: list[int] = []

    with opened(tmp_path, b"b" * 600) as source:
        cache.keep(key_of("b", b"b" * 600), source, moved.append)

    assert moved == []
    assert read(cache, "a", b"a" * 300) is not None
    assert any("No space left" in line for line in log)


@pytest.mark.parametrize(("size", "fits"), [(200, True), (201, False)])
def test_what_others_have_yet_to_write_has_its_room(
    tmp_path: Path, size: int, fits: bool
) -> None:
    cache = on_a_disk(tmp_path, 500, [])
    begun = cache.folder / "partial" / "300-other"
    begun.mkdir(parents=True)
    lock = FileLock(begun / "lock")
    assert lock.try_acquire()

    keep(cache, tmp_path, "b", b"b" * size)
    lock.release()

    assert (read(cache, "b", b"b" * size) is not None) is fits


def test_a_part_of_each_disk_is_not_for_the_cache(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)

    spare = spare_bytes(tmp_path)

    assert spare is not None
    assert spare < disk.f_bavail * disk.f_frsize * 0.99
    assert spare_bytes(Path("/proc")) is None  # has no size
