"""Downloads inputs into the volume."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from tesk_filer.domain.digest_list import ALGORITHM, DigestList
from tesk_filer.domain.downloads import (
    Download,
    order_downloads,
    plan_download,
    title,
)
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Cursor,
    HaltedError,
    Page,
    Stat,
    Storage,
    StorageError,
    Storages,
)
from tesk_filer.ports.transfers import TransferResult, Transfers
from tesk_filer.ports.volume import Volume
from tesk_filer.usecases.file_download import DownloadFile
from tesk_filer.usecases.result import summarize
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.locations import Location, describe_url
from tesk_model.paths import normalize
from tesk_model.references import is_reference
from tesk_model.task import Input

CONTENT = "content"
"""Stands for the scheme of what is in the task itself."""


class _InlineContent:
    """Inline content, read like a file of a storage."""

    etag = ""
    checksums = NO_CHECKSUMS
    executable = False
    descriptor = None
    has_parts = False

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._stream = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._stream.read(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """Downloads all inputs of a task; the first failure stops the rest."""

    transfers: Transfers
    storages: Storages
    volume: Volume
    workers: WorkerPool
    retry: Retry
    download_file: DownloadFile
    progress: TransferProgress
    digests: DigestList | None = None
    expansion: Expansion = field(default_factory=lambda: Expansion(Limits()))
    warnings: list[str] = field(default_factory=list)

    def run(self) -> TransferResult:
        """Download the inputs.

        Raises:
            HaltedError: The transfer was stopped from outside.
        """
        try:
            self._download(order_downloads(self._plan()))
        except HaltedError:
            if not self.workers.failures:
                raise
        return summarize(
            self.workers.failures, self.warnings, self.progress, self.digests
        )

    def _plan(self) -> list[Download]:
        downloads: list[Download] = []
        for index, entry in enumerate(self.transfers.inputs()):
            if entry.url and not entry.content and is_reference(entry.url):
                continue  # executors have it mounted
            shown = describe_url(entry.url or "")
            self.workers.call(
                title(f"inputs[{index}]", normalize(entry.path), shown),
                partial(_plan_one, index, entry, downloads),
            )
        return downloads

    def _download(self, waves: list[list[Download]]) -> None:
        for wave in waves:
            for download in wave:
                if download.source and download.is_directory:
                    work = partial(self._submit_directory, download, download.source)
                    self.workers.call(download, work)
                else:
                    self._submit(download)
            if wave is waves[-1]:
                self.progress.finish_plan()
            self.workers.drain()

    def _submit(self, download: Download, known: Stat | None = None) -> None:
        inline = None if download.source else len(download.content)
        self.progress.plan(known.size if known else inline)
        self.workers.submit(download, partial(self._fetch, download, known))

    def _fetch(self, download: Download, known: Stat | None) -> None:
        if download.source is not None:
            self.download_file(download.path, download.source, known)
            return
        content = _InlineContent(download.content)
        with self.progress.of_file(CONTENT, path=download.path) as file_progress:
            checks = NO_CHECKSUMS if self.digests is None else {ALGORITHM: ""}
            saved = self.volume.save(
                download.path, content, file_progress.advance, checks
            )
        if self.digests is not None:
            self.digests.add(download.path, saved.digests[ALGORITHM])

    def _submit_directory(self, directory: Download, source: Location) -> None:
        if source.checksums:
            raise StorageError("a checksum in the url is for one file, not a directory")
        storage = self.storages.of(source)
        self.volume.make_directory(directory.path)
        expansion = self.expansion.part()
        for page in self._pages(storage, source):
            if page.directory:
                expansion.enter(page.directory, page.depth)
            # Pages of nothing count, too: there may be no end of them.
            expansion.take(len(page.entries) + len(page.notes) or 1)
            self._check_space(source, page)
            self.warnings.extend(f"{directory}: {note}" for note in page.notes)
            _check_once(page)
            for entry in page.entries:
                _check_name(entry.name)
                expansion.check_depth(entry.name.count("/"))
                path = f"{directory.path.rstrip('/')}/{entry.name}"
                if entry.is_directory:
                    self.volume.make_directory(path)
                    continue
                file = Download(
                    field=directory.field,
                    path=path,
                    source=source.below(entry.name),
                    content=b"",
                    is_directory=False,
                )
                self._submit(file, entry)

    def _check_space(self, source: Location, page: Page) -> None:
        """Refuse what cannot fit before it moves.

        Files of this machine may share their blocks with the originals, and have holes.
        """
        sizes = [entry.size for entry in page.entries if entry.size]
        if source.scheme != "file" and sizes:
            self.volume.check_space(sum(sizes) + self.progress.left())

    def _pages(self, storage: Storage, source: Location) -> Iterator[Page]:
        cursor: Cursor = ()
        while True:
            with self.progress.of_listing(source.scheme):
                page = self.retry(partial(storage.list, source, cursor))
            yield page
            if not page.cursor:
                return
            if page.cursor == cursor:
                raise StorageError("the storage lists the same page again and again")
            cursor = page.cursor


def _plan_one(index: int, entry: Input, downloads: list[Download]) -> None:
    downloads.append(plan_download(index, entry))


def _check_once(page: Page) -> None:
    """Refuse a page that names a file twice: only one of them could be kept.

    Raises:
        StorageError: It does.
    """
    counts = Counter(each.name for each in page.entries if not each.is_directory)
    for name, count in counts.most_common(1):
        if count > 1:
            raise StorageError(f"holds {name!r} {count} times")


def _check_name(name: str) -> None:
    """Refuse a listed name that is not a path below the directory.

    Raises:
        StorageError: Names with empty, ``.`` or ``..`` segments, or with NUL.
    """
    if not {"", ".", ".."}.isdisjoint(name.split("/")) or "\0" in name:
        message = f"holds {name!r}, which cannot be the name of a file"
        raise StorageError(message)
