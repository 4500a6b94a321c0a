"""Downloads inputs into the volume."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from tesk_filer.domain.digest_list import ALGORITHM, DigestList
from tesk_filer.domain.downloads import (
    Download,
    order_downloads,
    plan_download,
    title,
)
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.domain.file_batches import FileBatch
from tesk_filer.domain.identities import DIRECTORY
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Entry,
    HaltedError,
    Stat,
    StorageError,
    Storages,
)
from tesk_filer.ports.content import Content
from tesk_filer.ports.manifest import Manifest, NoManifest
from tesk_filer.ports.transfers import TransferResult, Transfers
from tesk_filer.ports.volume import Volume
from tesk_filer.usecases.batch_download import BatchDownload, ListedFile
from tesk_filer.usecases.batch_threads import BatchThreads
from tesk_filer.usecases.file_download import DownloadFile
from tesk_filer.usecases.identity_log import IdentityLog
from tesk_filer.usecases.input_sizes import InputSizes
from tesk_filer.usecases.listing import Listing
from tesk_filer.usecases.result import summarize
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.locations import Location, describe_url
from tesk_model.paths import normalize
from tesk_model.references import is_reference
from tesk_model.task import Input

_BATCH = 64  # small files that a thread brings one after another


class _Listed(NamedTuple):
    """A file of a directory.

    Attributes:
        size: What the listing says.
        known: All that it says, without the size if that has its space already.
    """

    file: Download
    size: int | None
    known: Entry


CONTENT = "content"
"""Stands for the scheme of what is in the task itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """Downloads all inputs of a task; the first failure stops the rest.

    Attributes:
        identities: Has what each file was, by ``download_file``.
        download_batch: Brings small files together.
        batches: Runs it.
        manifest: That of ``download_file``; it hears of each wave.
        sizes: Takes what arrives of each input.
    """

    transfers: Transfers
    storages: Storages
    volume: Volume
    workers: WorkerPool
    retry: Retry
    download_file: DownloadFile
    progress: TransferProgress
    identities: IdentityLog
    download_batch: BatchDownload
    batches: BatchThreads
    digests: DigestList | None = None
    manifest: Manifest = field(default_factory=NoManifest)
    expansion: Expansion = field(default_factory=lambda: Expansion(Limits()))
    warnings: list[str] = field(default_factory=list)
    sizes: InputSizes = field(default_factory=InputSizes)

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
        result = summarize(
            self.workers.failures, self.warnings, self.progress, self.digests
        )
        identified = not result.error and self.identities.flush()
        return replace(
            result,
            identified=identified,
            input_sizes=() if result.error else self.sizes.all(),
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
        for number, wave in enumerate(waves):
            self.manifest.begin_wave(number)
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
            arrived = self.download_file(download.path, download.source, known)
            self.sizes.add(download.index, arrived.size or 0)
            return
        content = Content(download.content)
        with self.progress.of_file(CONTENT, path=download.path) as file_progress:
            checks = NO_CHECKSUMS if self.digests is None else {ALGORITHM: ""}
            saved = self.volume.save(
                download.path, content, file_progress.advance, checks
            )
        if self.digests is not None:
            self.digests.add(download.path, saved.digests[ALGORITHM])
        self.sizes.add(download.index, saved.size)

    def _submit_directory(self, directory: Download, source: Location) -> None:
        self.sizes.begin(directory.index)
        if source.checksums:
            raise StorageError("a checksum in the url is for one file, not a directory")
        batch = FileBatch[_Listed](_BATCH)
        small = self.download_batch.largest(source)
        for listed in self._list(directory, source):
            file, size, known = listed
            if size is None or size > small:
                self._submit(file, known)
                continue
            self.progress.plan(known.size)
            batch.add(listed, size=size, path=file.path)
            if batch.is_full:
                self._submit_batch(batch)
                batch = FileBatch[_Listed](_BATCH)
        self._submit_batch(batch)

    def _submit_batch(self, batch: FileBatch[_Listed]) -> None:
        if batch.files:
            self.batches.run(
                batch.files[0].file, partial(self._fetch_batch, batch.files)
            )

    def _fetch_batch(self, files: Sequence[_Listed]) -> None:
        by_path = {each.file.path: each.file for each in files}
        result = self.download_batch(
            [
                ListedFile(file.path, file.source, known)
                for file, _, known in files
                if file.source is not None
            ]
        )
        for path, size in result.sizes.items():
            self.sizes.add(by_path[path].index, size)
        for path, _, known in result.left:
            file = by_path[path]
            self.workers.call(file, partial(self._fetch, file, known))

    def _list(self, directory: Download, source: Location) -> Iterator[_Listed]:
        """Yield the files of a directory; make its directories."""
        storage = self.storages.of(source)
        self.volume.make_directory(directory.path)
        expansion = self.expansion.part()
        listing = Listing(retry=self.retry, observed=self.progress.of_listing)
        for page in listing.pages(storage, source, expansion):
            listed = [self._listed(directory, source, each) for each in page.entries]
            self._check_space(source, listed)
            self.warnings.extend(f"{directory}: {note}" for note in page.notes)
            for each in listed:
                if not each.known.is_directory:
                    yield each
                    continue
                path, place = each.file.path, source.below(each.known.name)
                self.volume.make_directory(path)
                self.identities.add(path, place, size=0, identity=DIRECTORY)

    def _listed(self, directory: Download, source: Location, entry: Entry) -> _Listed:
        place = source.below(entry.name)
        file = Download(
            index=directory.index,
            path=f"{directory.path.rstrip('/')}/{entry.name}",
            source=place,
            content=b"",
            is_directory=False,
        )
        has_space = self._has_space(file.path, place)
        known = replace(entry, size=None) if has_space else entry
        return _Listed(file, entry.size, known)

    def _has_space(self, path: str, place: Location) -> bool:
        """Tell whether an earlier filer has brought a file, or begun it.

        Whether that is still good is found out when it is its turn: then its size is
        learned, and counts.
        """
        if self.manifest.is_empty:
            return False
        manifest, url = self.manifest, place.url_of_user
        return bool(manifest.moved(path, url) or manifest.begun(path, url))

    def _check_space(self, source: Location, listed: Sequence[_Listed]) -> None:
        """Refuse what cannot fit before it moves.

        Files of this machine may share their blocks with the originals, and have holes.
        """
        needed = sum(each.known.size or 0 for each in listed)
        if source.scheme != "file" and needed:
            self.volume.check_space(needed + self.progress.left())


def _plan_one(index: int, entry: Input, downloads: list[Download]) -> None:
    downloads.append(plan_download(index, entry))
