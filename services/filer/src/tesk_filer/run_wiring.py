"""Builds what runs one transfer: threads, limits, and the use cases of its direction."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tesk_filer.config import FilerSettings
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.domain.digest_list import DigestList
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.ports import Credentials, Storages
from tesk_filer.ports.cache import Cache
from tesk_filer.ports.manifest import Manifest, NoManifest
from tesk_filer.ports.transfers import Transfers
from tesk_filer.ports.volume import Volume
from tesk_filer.usecases.batch_download import BatchDownload
from tesk_filer.usecases.batch_threads import BatchThreads
from tesk_filer.usecases.downloads import Downloads
from tesk_filer.usecases.file_download import DownloadFile, FileDownload
from tesk_filer.usecases.file_upload import FileUpload
from tesk_filer.usecases.identity_log import IdentityLog
from tesk_filer.usecases.large_download import Helpers
from tesk_filer.usecases.load_limits import Bandwidth, HostLimits
from tesk_filer.usecases.output_log import OutputLog
from tesk_filer.usecases.retry import RetriedStorages, Retry
from tesk_filer.usecases.transfer import TransferRun
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.uploads import Uploads
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_runtime.clock import SystemClock

_MAX_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What moves files, whichever they are."""

    storages: Storages
    workers: WorkerPool
    progress: TransferProgress
    retry: Retry
    limits: HostLimits
    expansion: Expansion
    digests: DigestList | None

    def close(self) -> None:
        """Shut down the threads, without waiting for those that hang."""
        self.workers.close()


def open_engine(
    filer: FilerSettings, storages: Storages, halt: threading.Event
) -> Engine:
    """Return an engine that stops when ``halt`` is set; it must be closed."""
    retry = make_retry(filer, halt)
    workers = WorkerPool(
        filer.parallel, halt, stops_at_failure=filer.direction != "outputs"
    )
    return Engine(
        storages=RetriedStorages(storages, retry),
        workers=workers,
        progress=TransferProgress(
            filer.direction,
            halt,
            clock=SystemClock().monotonic,
            largest=filer.max_file_bytes,
            bandwidth=Bandwidth(
                filer.max_bytes_per_second, SystemClock().monotonic, halt
            ),
        ),
        limits=HostLimits(
            filer.parallel, halt, now=SystemClock().monotonic, grow=workers.grow
        ),
        expansion=Expansion(Limits(files=filer.max_files, depth=filer.max_depth)),
        digests=DigestList() if filer.sha256 else None,
        retry=retry,
    )


def make_retry(filer: FilerSettings, halt: threading.Event) -> Retry:
    """Return what repeats calls of storages until ``halt`` is set."""
    return Retry(
        tries=filer.tries, backoff=filer.backoff, longest=_MAX_PAUSE, halt=halt
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """The cache, and on whose behalf it is used."""

    cache: Cache
    credentials: Credentials
    owner: Callable[[], TaskOwner]


def make_run(
    filer: FilerSettings,
    engine: Engine,
    *,
    transfers: Transfers,
    volume: Volume,
    manifest: Manifest | None = None,
    cache: CacheUse | None = None,
) -> TransferRun:
    """Return the transfer that ``filer`` describes.

    Args:
        filer: Says which.
        engine: Moves the files.
        transfers: The record of the transfer.
        volume: The files of the task.
        manifest: Of earlier filers of this transfer; None: it is not repeated.
        cache: Of inputs; None: there is none.
    """
    manifest = manifest or NoManifest()
    identities = IdentityLog(transfers, filer.direction)
    batches = BatchThreads(engine.workers, filer.parallel)
    if filer.direction == "inputs":
        plain = _file_download(filer, engine, volume, manifest, identities)
        return Downloads(
            download_file=_with_cache(plain, engine, cache, smallest=filer.cache_from),
            download_batch=BatchDownload(plain),
            batches=batches,
            identities=identities,
            transfers=transfers,
            storages=engine.storages,
            volume=volume,
            workers=engine.workers,
            retry=engine.retry,
            progress=engine.progress,
            digests=engine.digests,
            manifest=manifest,
            expansion=engine.expansion,
        )
    return Uploads(
        upload_file=FileUpload(
            storages=engine.storages,
            volume=volume,
            retry=engine.retry,
            progress=engine.progress,
            limits=engine.limits,
            log=OutputLog(transfers),
            identities=identities,
            digests=engine.digests,
            manifest=manifest,
        ),
        transfers=transfers,
        storages=engine.storages,
        volume=volume,
        workers=engine.workers,
        retry=engine.retry,
        progress=engine.progress,
        expansion=engine.expansion,
        missing_is_error=filer.missing_outputs == "error",
        identities=identities,
        batches=batches,
        extended_patterns=filer.extended_patterns,
        digests=engine.digests,
    )


def _file_download(
    filer: FilerSettings,
    engine: Engine,
    volume: Volume,
    manifest: Manifest,
    identities: IdentityLog,
) -> FileDownload:
    return FileDownload(
        storages=engine.storages,
        volume=volume,
        retry=engine.retry,
        progress=engine.progress,
        helpers=Helpers(
            offer=engine.workers.offer,
            most=filer.parallel,
            now=SystemClock().monotonic,
        ),
        limits=engine.limits,
        parts_from=filer.parts_from,
        identities=identities,
        digests=engine.digests,
        manifest=manifest,
    )


def _with_cache(
    download: FileDownload, engine: Engine, cache: CacheUse | None, *, smallest: int
) -> DownloadFile:
    if cache is None:
        return download
    from tesk_filer.usecases.cached_download import CachedDownload  # noqa: PLC0415

    return CachedDownload(
        download=download,
        cache=cache.cache,
        storages=engine.storages,
        credentials=cache.credentials,
        volume=download.volume,
        retry=engine.retry,
        progress=engine.progress,
        owner=lambda: cache.owner().name,
        smallest=smallest,
    )
