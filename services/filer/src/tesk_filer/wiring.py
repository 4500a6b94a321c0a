"""Builds what moves files from the settings: for the filer, and for commands."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.operator_credentials import (
    OperatorCredentials,
)
from tesk_filer.adapters.storage.operator_credentials import (
    open_credentials as read_operator_credentials,
)
from tesk_filer.adapters.storage.storage_config import (
    FileAccess,
    HdfsService,
    HttpOptions,
    ServerTrust,
    StorageConfig,
    Timeouts,
)
from tesk_filer.config import FilerSettings, Settings, egress_policy
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.domain.credentials import S3Account
from tesk_filer.domain.digest_list import DigestList
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.ports import Credentials, Storages
from tesk_filer.ports.cache import Cache
from tesk_filer.ports.manifest import Manifest, NoManifest
from tesk_filer.ports.transfers import Transfers
from tesk_filer.ports.volume import Volume
from tesk_filer.usecases.downloads import Downloads
from tesk_filer.usecases.file_download import DownloadFile, FileDownload
from tesk_filer.usecases.large_download import Helpers
from tesk_filer.usecases.load_limits import Bandwidth, HostLimits
from tesk_filer.usecases.retry import RetriedStorages, Retry
from tesk_filer.usecases.transfer import TransferRun
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.uploads import Uploads
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_model.url_lists import parse_url_lists, parse_url_patterns
from tesk_runtime import settings
from tesk_runtime.clock import SystemClock
from tesk_runtime.own_code import find_protected_paths
from tesk_runtime.protected_paths import ProtectedPaths
from tesk_runtime.sections import state_home

_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_MAX_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What moves files, whichever they are."""

    storages: Storages
    workers: WorkerPool
    progress: TransferProgress
    retry: Retry
    limits: HostLimits
    digests: DigestList | None

    def close(self) -> None:
        """Shut down the threads, without waiting for those that hang."""
        self.workers.close()


def open_engine(
    filer: FilerSettings, storages: Storages, halt: threading.Event
) -> Engine:
    """Return an engine that stops when ``halt`` is set; it must be closed."""
    retry = make_retry(filer, halt)
    return Engine(
        storages=RetriedStorages(storages, retry),
        workers=WorkerPool(
            filer.parallel, halt, stops_at_failure=filer.direction == "inputs"
        ),
        progress=TransferProgress(
            filer.direction,
            halt,
            clock=SystemClock().monotonic,
            largest=filer.max_file_bytes,
            bandwidth=Bandwidth(
                filer.max_bytes_per_second, SystemClock().monotonic, halt
            ),
        ),
        limits=HostLimits(filer.parallel, halt),
        digests=DigestList() if filer.sha256 else None,
        retry=retry,
    )


def make_retry(filer: FilerSettings, halt: threading.Event) -> Retry:
    """Return what repeats calls of storages until ``halt`` is set."""
    return Retry(
        tries=filer.tries, backoff=filer.backoff, longest=_MAX_PAUSE, halt=halt
    )


def open_cache(
    config: Settings, environ: Mapping[str, str], warn: Callable[[str], None]
) -> Cache | None:
    """Return the cache of inputs; None if there is none."""
    filer = config.filer
    if not filer.cache_bytes:
        return None
    # Imported here, as below: most filers have none, and start for a moment only.
    from tesk_filer.adapters.file_cache import FileCache  # noqa: PLC0415

    folder = Path(filer.cache_folder or state_home(config.local, environ) / "cache")
    return FileCache(
        folder=folder, limit=filer.cache_bytes, timeout=filer.cache_wait, warn=warn
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
    expansion = Expansion(Limits(files=filer.max_files, depth=filer.max_depth))
    if filer.direction == "inputs":
        return Downloads(
            download_file=_file_download(filer, engine, volume, manifest, cache),
            transfers=transfers,
            storages=engine.storages,
            volume=volume,
            workers=engine.workers,
            retry=engine.retry,
            progress=engine.progress,
            digests=engine.digests,
            expansion=expansion,
        )
    return Uploads(
        transfers=transfers,
        storages=engine.storages,
        volume=volume,
        workers=engine.workers,
        retry=engine.retry,
        progress=engine.progress,
        expansion=expansion,
        limits=engine.limits,
        tag=Attempt(TaskId(filer.task), filer.attempt).name,
        missing_is_error=filer.missing_outputs == "error",
        extended_patterns=filer.extended_patterns,
        digests=engine.digests,
        manifest=manifest,
    )


def _file_download(
    filer: FilerSettings,
    engine: Engine,
    volume: Volume,
    manifest: Manifest,
    cache: CacheUse | None,
) -> DownloadFile:
    download = FileDownload(
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
        digests=engine.digests,
        manifest=manifest,
    )
    if cache is None:
        return download
    from tesk_filer.usecases.cached_download import CachedDownload  # noqa: PLC0415

    return CachedDownload(
        download=download,
        cache=cache.cache,
        storages=engine.storages,
        credentials=cache.credentials,
        volume=volume,
        retry=engine.retry,
        progress=engine.progress,
        owner=lambda: cache.owner().name,
        smallest=filer.cache_from,
    )


def storage_config(
    config: Settings, credentials: Credentials, environ: Mapping[str, str]
) -> StorageConfig:
    """Return the settings of storages; ``environ`` names files to protect."""
    filer = config.filer

    def protected() -> ProtectedPaths:
        own_files = (
            *(environ.get(settings.CONFIG_VARIABLE, ""), config.grpc.tls_ca),
            *(filer.netrc, filer.token_file, *filer.credentials),
            *(filer.ftps_ca, filer.known_hosts, *config.local.protected),
        )
        return find_protected_paths(state_home(config.local, environ), own_files)

    return StorageConfig(
        timeouts=Timeouts(connect=filer.connect_timeout, stall=filer.stall_timeout),
        connections=filer.parallel,
        credentials=credentials,
        egress=open_egress(config),
        server_trust=ServerTrust(ftps_ca=filer.ftps_ca, known_hosts=filer.known_hosts),
        files=FileAccess(
            roots=config.local.file_roots,
            read_roots=config.local.read_roots,
            shared_prefix=filer.shared_prefix,
            shared_path=filer.shared_path,
            protected=protected,
        ),
        environ=environ,
        hdfs=HdfsService(user=filer.hdfs_user, port=filer.hdfs_port),
        http=http_options(config, environ),
    )


def open_egress(config: Settings) -> Egress:
    """Return what connects to the hosts of urls.

    Raises:
        ValueError: A setting is malformed; names it.
    """
    return Egress(
        egress_policy(config.filer),
        urls=parse_url_lists(config.urls.allow, config.urls.deny),
    )


def http_options(config: Settings, environ: Mapping[str, str]) -> HttpOptions:
    """Return how HTTP is spoken; ``environ`` names the authorities of TLS.

    Raises:
        ValueError: A setting is malformed; names it.
    """
    return HttpOptions(
        authorities=next(filter(None, map(environ.get, _AUTHORITIES)), ""),
        post=parse_url_patterns(
            config.filer.http_post, "filer.http_post (TESK_FILER_HTTP_POST)"
        ),
        index_pages=parse_url_patterns(
            config.urls.index_pages, "urls.index_pages (TESK_URLS_INDEX_PAGES)"
        ),
    )


def open_credentials(
    filer: FilerSettings, warn: Callable[[str], None]
) -> OperatorCredentials:
    """Return the credentials that settings name.

    Args:
        filer: Names files.
        warn: Logs that a file cannot be read.
    """
    return read_operator_credentials(
        files=filer.credentials,
        netrc=filer.netrc,
        s3=S3Account(
            endpoint=filer.s3_endpoint,
            region=filer.s3_region,
            anonymous=filer.s3_anonymous,
            uses_sdk=filer.s3_sdk,
        ),
        monotonic=SystemClock().monotonic,
        warn=warn,
    )
