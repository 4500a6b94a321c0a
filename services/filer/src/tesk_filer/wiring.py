"""Builds what moves files from the settings: for the filer, and for commands."""

from collections.abc import Callable, Mapping
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
from tesk_filer.domain.credentials import S3Account
from tesk_filer.ports import Credentials
from tesk_filer.ports.cache import Cache
from tesk_model.locations import InvalidLocationError, parse_location
from tesk_model.url_lists import parse_url_lists, parse_url_patterns
from tesk_runtime import settings
from tesk_runtime.clock import SystemClock
from tesk_runtime.own_code import find_protected_paths
from tesk_runtime.protected_paths import ProtectedPaths
from tesk_runtime.sections import state_home

_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


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


def storage_config(
    config: Settings, credentials: Credentials, environ: Mapping[str, str]
) -> StorageConfig:
    """Return the settings of storages; ``environ`` names files to protect.

    Raises:
        ValueError: A setting is malformed; names it. Not that of shared storage, which
            processes check when they start, by ``check_shared``.
    """
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
            most=filer.max_files,
        ),
        environ=environ,
        hdfs=HdfsService(user=filer.hdfs_user, port=filer.hdfs_port),
        http=http_options(config, environ),
    )


def check_shared(filer: FilerSettings) -> None:
    """Check where shared storage is.

    Raises:
        ValueError: A setting is malformed, or names no folder; names it.
    """
    prefix, folder = filer.shared_prefix, filer.shared_path
    if bool(prefix) != bool(folder):
        raise ValueError("filer.shared_prefix and filer.shared_path belong together")
    if not prefix:
        return
    try:
        is_file = parse_location(prefix).scheme == "file"
    except InvalidLocationError:
        is_file = False
    if not is_file:
        message = f"filer.shared_prefix (TESK_FILER_SHARED_PREFIX): {prefix} is not a file url"
        raise ValueError(message)
    if not folder.startswith("/") or not Path(folder).is_dir():
        message = (
            f"filer.shared_path (TESK_FILER_SHARED_PATH): {folder} is not a folder"
        )
        raise ValueError(message)


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
