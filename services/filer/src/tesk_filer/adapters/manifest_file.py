"""The manifest of a transfer in a file of the task volume.

It lies in TESK's own folder of the volume, which no path of a task reaches
(``tesk_model.paths``). Only appended to; how lines are believed: ``manifest_records``.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tesk_filer.adapters.manifest_records import (
    Entry,
    FileBegun,
    FileMoved,
    Lines,
    PartMoved,
    Record,
    Started,
    Synced,
    believed,
)
from tesk_filer.adapters.own_folder import open_own_file
from tesk_filer.ports import Part, Stat
from tesk_filer.ports.manifest import Begun, Moved, MovedFile

_MAX_ENTRIES = 500_000  # in memory; what is beyond is moved again
_MAX_BYTES = 512 * 1024 * 1024  # of the file; executors may have written there
_MAX_LINE = 8 * 1024
_SYNC_SECONDS = 30.0  # as long as Linux keeps data in memory


class ManifestFile:
    """Satisfies ``ports.manifest.Manifest``."""

    def __init__(self, descriptor: int, lines: Lines, boot: str) -> None:
        """Read what is there, and append.

        Args:
            descriptor: Open for reading and appending; closed by ``close``.
            lines: How lines are written.
            boot: Identifies the boot of this machine.
        """
        self._descriptor = descriptor
        self._lines = lines
        self._lock = threading.Lock()
        self._moved: dict[str, FileMoved] = {}
        self._begun: dict[str, FileBegun] = {}
        self._parts: dict[str, list[PartMoved]] = {}
        self._waves: dict[tuple[str, str], int] = {}  # by path and stamp; not the first
        self._wave = 0
        self._end = 0
        self._synced = 0
        self._closed = threading.Event()
        for entry in believed(self._read(), boot):
            self._keep(entry)
        self._append(Started(boot), start=b"\n" if self._end else b"")

    @property
    def is_empty(self) -> bool:
        """See ``Manifest``."""
        return not self._moved and not self._begun

    def moved(self, path: str, url: str) -> Moved | None:
        """See ``Manifest``."""
        if not self._moved:
            return None
        found = self._moved.get(self._lines.key(path, url))
        if found is None:
            return None
        return Moved(
            size=found.size,
            stamp=found.stamp,
            etag=found.etag,
            identity=found.identity,
            digests=found.digests,
        )

    def begin_wave(self, wave: int) -> None:
        """See ``Manifest``."""
        self._wave = wave

    def is_of_later_wave(self, path: str, stamp: str) -> bool:
        """See ``Manifest``."""
        return self._waves.get((_shown(path), stamp), 0) > self._wave

    def begun(self, path: str, url: str) -> Begun | None:
        """See ``Manifest``."""
        if not self._begun:
            return None
        key = self._lines.key(path, url)
        found, parts = self._begun.get(key), self._parts.get(key)
        if found is None or not parts:
            return None
        stamp = parts[-1].stamp
        return Begun(
            size=found.size,
            etag=found.etag,
            stamp=stamp,
            parts=[
                Part(each.start, each.stop) for each in parts if each.stamp == stamp
            ],
            checksums=found.checksums,
        )

    def add(self, path: str, url: str, moved: Moved) -> None:
        """See ``Manifest``."""
        self.add_all([(path, url, moved)])

    def add_all(self, files: Iterable[MovedFile]) -> None:
        """See ``Manifest``."""
        self._append(
            *(
                FileMoved(
                    key=self._lines.key(path, url),
                    path=_shown(path),
                    size=moved.size,
                    stamp=moved.stamp,
                    etag=moved.etag,
                    identity=moved.identity,
                    digests=dict(moved.digests),
                    wave=self._wave,
                )
                for path, url, moved in files
            )
        )

    def begin(self, path: str, url: str, content: Stat) -> None:
        """See ``Manifest``."""
        self._append(
            FileBegun(
                key=self._lines.key(path, url),
                path=_shown(path),
                size=content.size or 0,
                etag=content.etag,
                checksums=dict(content.checksums),
            )
        )

    def add_part(self, path: str, url: str, part: Part, stamp: str) -> None:
        """See ``Manifest``."""
        key = self._lines.key(path, url)
        self._append(PartMoved(key=key, start=part.start, stop=part.stop, stamp=stamp))

    def sync_regularly(self, sync: Callable[[int], bool]) -> None:
        """Have a thread record what is on the disk, until ``close``.

        Args:
            sync: Writes the file system of a descriptor to its disk; tells whether it
                did.
        """

        def run() -> None:
            while not self._closed.wait(_SYNC_SECONDS):
                self.record_synced(sync)

        threading.Thread(target=run, name="manifest", daemon=True).start()

    def record_synced(self, sync: Callable[[int], bool]) -> None:
        """Record that what was written so far is on the disk, if ``sync`` puts it there."""
        end = self._end
        if end > self._synced and sync(self._descriptor):
            self._append(Synced(end))
            self._synced = self._end
            with suppress(OSError):
                os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Stop the thread and close the file."""
        self._closed.set()
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, *records: Record, start: bytes = b"") -> None:
        lines = start + b"".join(map(self._lines.write, records))
        if not lines:
            return
        with self._lock, suppress(OSError):
            self._end += os.write(self._descriptor, lines)

    def _read(self) -> Iterator[tuple[int, Record]]:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            while self._end < _MAX_BYTES and (line := file.readline(_MAX_LINE)):
                offset, self._end = self._end, self._end + len(line)
                record = self._lines.read(line)
                if record is not None:
                    yield offset, record

    def _keep(self, entry: Entry) -> None:
        if isinstance(entry, FileMoved):
            self._begun.pop(entry.key, None)
            self._parts.pop(entry.key, None)
            if len(self._moved) < _MAX_ENTRIES:
                self._moved[entry.key] = entry
                if entry.wave:
                    self._waves[entry.path, entry.stamp] = entry.wave
        elif isinstance(entry, FileBegun):
            self._begun[entry.key] = entry
            self._parts[entry.key] = []
        elif entry.key in self._parts:
            self._parts[entry.key].append(entry)


def open_manifest(folder: Path, name: str, lines: Lines, boot: str) -> ManifestFile:
    """Open the manifest ``name`` in ``folder`` of the task volume.

    Raises:
        OSError: It cannot be used; it may be what an executor put there.
    """
    # Whose it is does not matter: nobody else can write a line that is believed.
    descriptor = open_own_file(folder, name)
    return ManifestFile(descriptor, lines, boot)


def _shown(path: str) -> str:
    return path.encode("utf-8", "replace").decode()
