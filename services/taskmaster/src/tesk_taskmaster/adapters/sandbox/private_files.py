"""Finds the files of this machine's programs that only root may read.

A sandbox that root starts runs its command as root, which may read all files. So
files that others may not read are concealed. The search takes a second or two for a
whole ``/usr``: it runs while the engine starts, and its result is cached by tree for
all of root's servers, which may show different programs.
"""

import json
import os
import stat
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path("/run/tesk-private-files.json")

_FRESH = 300.0  # seconds; a search begins after that,
_USABLE = 900.0  # and the old result is used until then


@dataclass(frozen=True, slots=True)
class _Found:
    at: float
    paths: tuple[str, ...]


@dataclass(slots=True)
class PrivateFiles:
    """Files below some folders that only their owner may read; thread-safe.

    Attributes:
        trees: The folders.
        cache: Shared with other processes of root.
    """

    trees: Sequence[str]
    cache: Path = CACHE
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _found: _Found | None = None
    _search: Future[_Found] | None = None

    def prefetch(self) -> None:
        """Begin a search, if there is no fresh result."""
        with self._guard:
            self._begin()

    def paths(self) -> Sequence[str]:
        """Return the files and folders; waits for the first search."""
        with self._guard:
            search = self._begin()
            known = self._found
        if known is not None and time.time() - known.at < _USABLE:
            return known.paths
        return search.result().paths if search is not None else ()

    def _begin(self) -> Future[_Found] | None:
        """Start a search unless one runs or the result is fresh."""
        if self._search is not None and not self._search.done():
            return self._search
        if self._search is not None and self._search.exception() is None:
            self._found = self._search.result()
        self._found = self._found or self._cached()
        if self._found is not None and time.time() - self._found.at < _FRESH:
            return self._search
        search: Future[_Found] = Future()
        self._search = search
        threading.Thread(target=self._run, args=(search,), daemon=True).start()
        return search

    def _run(self, search: "Future[_Found]") -> None:
        try:
            known, now = self._read(), time.time()
            usable = {t: f for t, f in known.items() if now - f.at < _USABLE}
            for tree in self.trees:
                if tree not in usable or now - usable[tree].at >= _FRESH:
                    files = tuple(private_files([tree]))
                    usable[tree] = _Found(time.time(), files)
            self._store(usable)
            found = _joined([usable[tree] for tree in self.trees])
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            search.set_exception(error)
        else:
            search.set_result(found)

    def _cached(self) -> _Found | None:
        known = self._read()
        if not all(tree in known for tree in self.trees):
            return None
        return _joined([known[tree] for tree in self.trees])

    def _read(self) -> dict[str, _Found]:
        """Read what was found, by tree."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            with self.cache.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                    return {}
                document = json.load(file)
            return {
                tree: _Found(float(found["at"]), tuple(found["paths"]))
                for tree, found in document["found"].items()
            }
        return {}

    def _store(self, found: Mapping[str, _Found]) -> None:
        document = {
            "found": {
                tree: {"at": each.at, "paths": [*each.paths]}
                for tree, each in found.items()
            }
        }
        part = self.cache.with_suffix(f".{os.getpid()}")
        with suppress(OSError):  # other processes then search themselves
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(part, flags, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123 - of a descriptor
                json.dump(document, file)
            part.replace(self.cache)


def _joined(found: Sequence[_Found]) -> _Found:
    """Return the files of several trees, as old as the oldest."""
    oldest = min((each.at for each in found), default=time.time())
    return _Found(oldest, tuple(sorted({p for each in found for p in each.paths})))


def private_files(trees: Iterable[str]) -> list[str]:
    """Return the files and folders that are not readable by others, sorted.

    Nothing below a folder that others may not enter is returned. Links are not
    followed; files that vanish meanwhile are skipped; folders that cannot be listed
    are returned.
    """
    found: list[str] = []
    folders = [tree for tree in trees if Path(tree).is_dir()]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as scan:
                entries = list(scan)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # perhaps a network file system
            found.append(folder)
            continue
        for entry in entries:
            mode = _mode(entry)
            if stat.S_ISDIR(mode) and mode & stat.S_IXOTH:
                folders.append(entry.path)
            elif stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and not mode & stat.S_IROTH):
                found.append(entry.path)
    return sorted(found)


def _mode(entry: "os.DirEntry[str]") -> int:
    try:
        return 0 if entry.is_symlink() else entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return 0
