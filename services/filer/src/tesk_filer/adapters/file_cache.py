"""A cache of files in a folder that the filers of a node, or of a site, share.

| path | what it is |
|---|---|
| ``lock`` | held while entries are counted, begun or evicted |
| ``entries/KEY/`` | ``content`` and ``about.json``; complete, last used at its mtime |
| ``partial/SIZE-…/`` | an entry that is written: ``lock`` is held meanwhile; or waste |
| ``alone/KEY`` | held by the filer that brings this file |

The kernel frees all locks of a filer that is killed: what it left in ``partial`` is
removed by the next one. Files are copied, never linked: executors write into theirs.
"""

import errno
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tesk_filer.adapters.copying import copy_descriptor
from tesk_filer.adapters.digests import Digests
from tesk_filer.adapters.disk_space import allocated_bytes, spare_bytes
from tesk_filer.domain.cache_keys import CacheKey
from tesk_filer.domain.evictions import Kept, choose_evictions
from tesk_filer.ports import Advance, Checksums, Reader, Source
from tesk_runtime.file_lock import FileLock
from tesk_runtime.removal import remove_tree

_LOCK_TIMEOUT = 30.0  # seconds to wait for the count of entries
_PAUSE = 0.1
_DIGEST = "crc32"  # 4 GB/s, without a package
_CONTENT, _ABOUT = "content", "about.json"


class _FullError(OSError):
    """The file does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFile:
    """An open file of the cache; satisfies ``ports.Reader``."""

    size: int
    descriptor: int
    checksums: Checksums
    etag: str = ""
    executable: bool = False
    has_parts: bool = False

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        return os.read(self.descriptor, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCache:
    """Satisfies ``ports.cache.Cache``.

    Attributes:
        folder: Exists, on any file system that has flock(2); for filers alone.
        limit: Bytes of all files together, those that are written included.
        timeout: How long to wait for another filer that brings the same file.
        warn: Logs why the cache is not used.
        spare: Returns the bytes that the disk of a folder has for it; None: not known.
    """

    folder: Path
    limit: int
    timeout: timedelta
    warn: Callable[[str], None]
    spare: Callable[[Path], int | None] = spare_bytes
    _pause: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def open(self, key: CacheKey) -> Iterator[Reader | None]:
        """See ``Cache``."""
        entry = self.folder / "entries" / key.name
        descriptor = -1
        try:
            descriptor = os.open(entry / _CONTENT, os.O_RDONLY | os.O_CLOEXEC)
            about = json.loads((entry / _ABOUT).read_bytes())
            checksums = {_DIGEST: str(about[_DIGEST])}
            is_whole = os.fstat(descriptor).st_size == key.size
        except FileNotFoundError:
            is_whole = False
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._report("read", error)
            is_whole = False
        try:
            if is_whole:
                with suppress(OSError):
                    os.utime(entry)
                yield CachedFile(
                    size=key.size, descriptor=descriptor, checksums=checksums
                )
            else:
                if descriptor >= 0:
                    self.drop(key)
                yield None
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def keep(self, key: CacheKey, source: Source, advance: Advance) -> None:
        """See ``Cache``."""
        try:
            with self._begun(key) as partial:
                self._fill(partial, source, advance)
                with suppress(OSError):  # another filer was faster
                    partial.rename(self.folder / "entries" / key.name)
        except _FullError:
            return
        except OSError as error:
            self._report("written", error)

    def drop(self, key: CacheKey) -> None:
        """See ``Cache``."""
        with suppress(OSError):
            self._discard(self.folder / "entries" / key.name)

    @contextmanager
    def alone(self, key: CacheKey, on_wait: Callable[[], None]) -> Iterator[None]:
        """See ``Cache``."""
        path = self.folder / "alone" / key.name
        lock = FileLock(path)
        is_held = False
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            is_held = self._wait_for(lock, self.timeout.total_seconds(), on_wait)
        except OSError as error:
            self._report("written", error)
        try:
            yield
        finally:
            if is_held:
                with suppress(OSError):
                    path.unlink()
                lock.release()

    @contextmanager
    def _begun(self, key: CacheKey) -> Iterator[Path]:
        """Yield a folder for an entry, for whose size there is room.

        Raises:
            OSError: There is none, or it cannot be written.
        """
        for name in ("entries", "partial"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            self._make_room(key)
            unique = secrets.token_hex(8)
            partial = self.folder / "partial" / f"{key.size}-{unique}"
            partial.mkdir(mode=0o700)
            writing = FileLock(partial / "lock")
            writing.try_acquire()
        try:
            yield partial
        finally:
            with suppress(OSError):
                remove_tree(partial)  # unless it has become an entry
            writing.release()

    def _fill(self, partial: Path, source: Source, advance: Advance) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        target = os.open(partial / _CONTENT, flags, 0o600)
        try:
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            copied = copy_descriptor(
                source.descriptor, target, source.size, lambda _: advance(0)
            )
            if copied != source.size:
                raise OSError(errno.EIO, "the file changed while it was copied")
            digests = Digests({_DIGEST: ""})
            digests.read(target, advance)
        finally:
            os.close(target)
        about = json.dumps(dict(digests.verify()))
        (partial / _ABOUT).write_text(about, encoding="ascii")

    def _make_room(self, key: CacheKey) -> None:
        """Evict files until one of ``key`` fits.

        Raises:
            _FullError: It does not fit beside those that are written now.
            OSError: Its disk has no room for it.
        """
        written = list(self._written())
        taken = sum(size for size, _ in written) + key.size
        if taken > self.limit:
            raise _FullError
        entries = list(self._entries())
        wanted = taken + sum(each.size for each in entries) - self.limit
        spare = self.spare(self.folder)
        if spare is not None:
            pending = sum(size - there for size, there in written) + key.size
            wanted = max(wanted, pending - spare)
        evicted = choose_evictions(entries, wanted=wanted)
        if evicted is None:
            raise OSError(errno.ENOSPC, f"No space left for {key.size:,} bytes")
        for each in evicted:
            self._discard(self.folder / "entries" / each.name)

    def _written(self) -> Iterator[tuple[int, int]]:
        """Yield the size of each file that is written now, and how much is there.

        What others left is removed.
        """
        for partial in (self.folder / "partial").iterdir():
            name, _, _ = partial.name.partition("-")
            lock = FileLock(partial / "lock")
            try:
                is_left = lock.try_acquire()
            except OSError:  # it has become an entry just now, or another removes it
                continue
            if is_left:
                with suppress(OSError):
                    remove_tree(partial)
                lock.release()
            else:
                size = int(name) if name.isdigit() else 0
                yield size, min(_allocated(partial / _CONTENT), size)

    def _entries(self) -> Iterator[Kept]:
        for entry in (self.folder / "entries").iterdir():
            try:
                size = (entry / _CONTENT).stat().st_size
                yield Kept(entry.name, size, entry.stat().st_mtime_ns)
            except OSError:
                self._discard(entry)

    def _discard(self, entry: Path) -> None:
        """Remove an entry at once; those who read it go on."""
        waste = self.folder / "partial" / f"0-{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):  # another filer has removed it just now
            entry.rename(waste)
        remove_tree(waste)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.folder / "lock")
        if not self._wait_for(lock, _LOCK_TIMEOUT, lambda: None):
            raise OSError(errno.EAGAIN, "another filer holds its lock")
        try:
            yield
        finally:
            lock.release()

    def _wait_for(
        self, lock: FileLock, seconds: float, on_wait: Callable[[], None]
    ) -> bool:
        deadline = time.monotonic() + seconds
        while not lock.try_acquire():
            on_wait()
            if time.monotonic() > deadline:
                return False
            self._pause.wait(_PAUSE)
        return True

    def _report(self, what: str, error: Exception) -> None:
        self.warn(f"the cache cannot be {what}: {error}")


def _allocated(file: Path) -> int:
    try:
        return allocated_bytes(file.stat())
    except OSError:  # it has not begun, or is complete just now
        return 0
