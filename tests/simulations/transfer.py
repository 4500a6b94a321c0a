"""A whole transfer between a storage in memory and a folder."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from fakes.filer_storage import MemoryStorage
from fakes.filer_transfers import MemoryTransfers
from tesk_filer.adapters.file_cache import FileCache
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.credentials import Credential
from tesk_filer.domain.digest_list import DigestList
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.domain.parts import MIB
from tesk_filer.ports.manifest import Manifest, NoManifest
from tesk_filer.usecases.batch_download import BatchDownload
from tesk_filer.usecases.batch_threads import BatchThreads
from tesk_filer.usecases.cached_download import CachedDownload
from tesk_filer.usecases.downloads import Downloads
from tesk_filer.usecases.durable_inputs import DurableInputs, OpenSync
from tesk_filer.usecases.file_download import DownloadFile, FileDownload
from tesk_filer.usecases.file_upload import FileUpload
from tesk_filer.usecases.identity_log import IdentityLog
from tesk_filer.usecases.large_download import Helpers
from tesk_filer.usecases.load_limits import HostLimits
from tesk_filer.usecases.output_log import OutputLog
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer import ExitCode, Transfer, TransferRun
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.upload_tries import Conclude
from tesk_filer.usecases.uploads import Uploads
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.locations import Location
from tesk_model.task import Input, Output
from tesk_runtime.clock import SystemClock


def _open_volume(folder: Path, tag: str) -> FolderVolume:
    return FolderVolume(folder, tag=tag)


@dataclass
class Bench:
    """Everything of a transfer, with fakes for what is far away.

    Attributes:
        manifest: What earlier transfers have moved.
        digests: Takes digests of the files.
        parts_from: Bytes from which on a file comes in parts.
        seconds: What the clock says: every connection is slow.
        cache: Of inputs; None: none.
        credential: Found for every url.
        owner: Of the task.
        open_volume: Of a folder, with a tag.
        open_sync: Of the volume; None: inputs need not be on the disk.
    """

    folder: Path
    storage: Any = field(default_factory=MemoryStorage)
    transfers: MemoryTransfers = field(default_factory=MemoryTransfers)
    log: list[str] = field(default_factory=list)
    missing_is_error: bool = False
    limits: Limits = field(default_factory=Limits)
    manifest: Manifest = field(default_factory=NoManifest)
    digests: DigestList | None = None
    parts_from: int = 64 * MIB
    seconds: Iterator[float] = field(default_factory=lambda: count(0.0, 1.0))

    cache: FileCache | None = None
    credential: Credential | None = None
    owner: str = ""
    open_volume: Callable[[Path, str], FolderVolume] = _open_volume
    open_sync: OpenSync | None = None

    def find(self, _location: Location) -> Credential | None:
        """Be the credentials of the transfer."""
        return self.credential

    def bring(self, *inputs: Input) -> ExitCode:
        self.transfers.to_bring = inputs
        return self._run(incoming=True, conclude=lambda result: result)

    def take(self, *outputs: Output) -> ExitCode:
        self.transfers.to_take = outputs
        return self.take_again(lambda result: result)

    def take_again(self, conclude: Conclude) -> ExitCode:
        """Take the same outputs; ``conclude`` completes the result."""
        return self._run(incoming=False, conclude=conclude)

    @property
    def error(self) -> str:
        return self.transfers.results[-1].error

    def texts(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.folder)): path.read_text()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def _run(self, *, incoming: bool, conclude: Conclude) -> ExitCode:
        halt = threading.Event()
        progress = TransferProgress(
            "inputs" if incoming else "outputs",
            halt,
            clock=SystemClock().monotonic,
            largest=self.limits.size,
        )
        workers = WorkerPool(3, halt, stops_at_failure=incoming)
        batches = BatchThreads(workers, 3)
        identities = IdentityLog(self.transfers, "inputs" if incoming else "outputs")
        volume = self.open_volume(self.folder, "tesk-t1-a1")
        limits = HostLimits(3, halt, now=SystemClock().monotonic)
        retry = Retry(tries=3, backoff=timedelta(), longest=timedelta(), halt=halt)
        plain = FileDownload(
            storages=self.storage,
            volume=volume,
            retry=retry,
            progress=progress,
            helpers=Helpers(
                offer=workers.offer, most=3, now=lambda: next(self.seconds)
            ),
            limits=limits,
            parts_from=self.parts_from,
            identities=identities,
            manifest=self.manifest,
            digests=self.digests,
        )
        download: DownloadFile = plain
        if self.cache is not None:
            download = CachedDownload(
                download=plain,
                cache=self.cache,
                storages=self.storage,
                credentials=self,
                volume=volume,
                retry=retry,
                progress=progress,
                owner=lambda: self.owner,
                smallest=4,
            )
        bring: TransferRun = Downloads(
            download_file=download,
            download_batch=BatchDownload(plain),
            batches=batches,
            identities=identities,
            transfers=self.transfers,
            storages=self.storage,
            volume=volume,
            workers=workers,
            retry=retry,
            progress=progress,
            digests=self.digests,
            manifest=self.manifest,
            expansion=Expansion(self.limits),
        )
        if self.open_sync is not None:
            bring = DurableInputs(downloads=bring, open_sync=self.open_sync)
        take = Uploads(
            upload_file=FileUpload(
                storages=self.storage,
                volume=volume,
                retry=retry,
                progress=progress,
                limits=limits,
                log=OutputLog(self.transfers),
                identities=identities,
                manifest=self.manifest,
                digests=self.digests,
            ),
            transfers=self.transfers,
            storages=self.storage,
            volume=volume,
            workers=workers,
            retry=retry,
            progress=progress,
            expansion=Expansion(self.limits),
            missing_is_error=self.missing_is_error,
            identities=identities,
            batches=batches,
            digests=self.digests,
        )
        transfer = Transfer(
            transfer_run=bring if incoming else take,
            transfers=self.transfers,
            progress=progress,
            halt=halt,
            interval=timedelta(hours=1),
            warn=self.log.append,
            conclude=conclude,
            renews_token=incoming,
        )
        try:
            return transfer.run()
        finally:
            workers.close()
