"""Caches of filers, and files that they keep."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tesk_filer.adapters.file_cache import FileCache
from tesk_filer.domain.cache_keys import CacheKey
from tesk_filer.ports import Source

LIMIT = 1000
"""Bytes of all files of a cache."""


def cache_in(
    folder: Path,
    *,
    seconds: float = 30,
    log: list[str] | None = None,
    spare: Callable[[Path], int | None] = lambda _: None,
) -> FileCache:
    """Return a cache whose disk has ``spare`` bytes for it."""
    return FileCache(
        folder=folder,
        limit=LIMIT,
        timeout=timedelta(seconds=seconds),
        warn=(log if log is not None else []).append,
        spare=spare,
    )


def key_of(name: str, content: bytes) -> CacheKey:
    """Return the key of a content."""
    return CacheKey(name=name, size=len(content))


@contextmanager
def opened(folder: Path, content: bytes) -> Iterator[Source]:
    """Yield a file as an input that has arrived."""
    file = folder / "source"
    file.write_bytes(content)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        yield Source(
            descriptor=descriptor, size=len(content), executable=False, tag="t"
        )
    finally:
        os.close(descriptor)


def keep(cache: FileCache, folder: Path, name: str, content: bytes) -> None:
    """Keep a content that has arrived in ``folder``."""
    with opened(folder, content) as source:
        cache.keep(key_of(name, content), source, lambda _: None)


def read(cache: FileCache, name: str, content: bytes) -> bytes | None:
    """Return a content as the cache has it; None: not at all."""
    with cache.open(key_of(name, content)) as reader:
        return None if reader is None else reader.read(len(content) + 1)


def sizes(cache: FileCache) -> int:
    """Add up all that the cache has on the disk, but for what describes it."""
    return sum(
        file.stat().st_size for file in cache.folder.rglob("content") if file.is_file()
    )
