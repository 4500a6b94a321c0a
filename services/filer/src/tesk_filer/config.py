"""Settings of the filer."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tesk_runtime.egress.policy import EgressPolicy
from tesk_runtime.egress.settings import (
    AllowedNetworks,
    Loopback,
    PrivateNetworks,
    RefusedNetworks,
    policy_of,
)
from tesk_runtime.logs import LogSettings
from tesk_runtime.sections import (
    GrpcSettings,
    LocalSettings,
    StorageLogins,
    UrlSettings,
)
from tesk_runtime.setting_names import OLD_NAME
from tesk_runtime.tracing import TracingSettings


class FilerSettings(
    StorageLogins, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """One transfer, and access to storages."""

    task: Annotated[
        str, Meta(description="Id of the task; given by the taskmaster.")
    ] = ""
    attempt: Annotated[
        int, Meta(description="Number of the attempt; given by the taskmaster.", ge=0)
    ] = 0
    direction: Annotated[
        Literal["inputs", "outputs", "both", "check"],
        Meta(
            description="What to move, `both` in the turns of their steps; or `check`: "
            "compare files with what a candidate of the call cache had; given by the "
            "taskmaster."
        ),
    ] = "inputs"
    volume: Annotated[
        str, Meta(description="Folder of the task volume; given by the taskmaster.")
    ] = ""
    sync_inputs: Annotated[
        bool,
        Meta(
            description="Inputs have arrived when the disk of the volume has them, as an "
            "executor of another pod may start on a machine that was restarted; given "
            "by the taskmaster."
        ),
    ] = False
    token_file: Annotated[
        str,
        Meta(
            description="File with the attempt's transfer token; given by the "
            "taskmaster."
        ),
    ] = ""
    parallel: Annotated[
        int,
        Meta(
            description="Files, and parts of large ones, that move at once; fewer from "
            "a host that asks for it, and up to four times as many small ones (http, "
            "https: twice) from one that is far away.",
            ge=1,
            le=64,
        ),
    ] = 32
    missing_outputs: Annotated[
        Literal["warn", "error"],
        Meta(
            description="An output that does not exist after the executors have "
            "succeeded: a line in `system_logs`, or SYSTEM_ERROR."
        ),
    ] = "warn"
    extended_patterns: Annotated[
        bool,
        Meta(
            description="In outputs' paths `**` also matches `/`, and braces are "
            "alternatives (`{a,b}`) where nothing matches them literally. Off: as "
            "POSIX and TES 1.1 say, and nothing else."
        ),
    ] = True
    max_files: Annotated[
        int,
        Meta(
            description="Files and directories of one transfer. More, as links that "
            "multiply make them, are an error.",
            ge=1,
        ),
    ] = 1_000_000
    max_depth: Annotated[
        int,
        Meta(description="Directories within each other, in one transfer.", ge=1),
    ] = 256
    max_file_bytes: Annotated[
        int,
        Meta(
            description="Bytes of one file, its holes counted; 5 TiB, as many as most "
            "object stores take.",
            ge=1,
        ),
    ] = 5 * 2**40
    parts_from: Annotated[
        int,
        Meta(
            description="Bytes from which on a file is downloaded by several "
            "connections, if one is not fast enough and the storage has parts.",
            ge=1,
        ),
    ] = 64 * 1024 * 1024
    sha256: Annotated[
        bool,
        Meta(
            description="Put the sha256 of every input and output into the task's "
            "`metadata`, as `sha256sum` writes it; of many files, that of the list."
        ),
    ] = False
    max_bytes_per_second: Annotated[
        int,
        Meta(description="Bytes per second that a filer moves; 0: no limit.", ge=0),
    ] = 0
    cache_bytes: Annotated[
        int,
        Meta(
            description="Bytes of the cache for inputs that many tasks read, by s3, gs, "
            "az, abfs, http and https; 0: none. What was used the longest ago goes first.",
            ge=0,
        ),
    ] = 0
    cache_folder: Annotated[
        str,
        Meta(
            description="Folder of the cache, which filers share; empty: `cache` in "
            "`local.home`."
        ),
    ] = ""
    cache_from: Annotated[
        int,
        Meta(description="Bytes from which on a file is cached.", ge=1),
    ] = 16 * 1024 * 1024
    cache_wait: Annotated[
        timedelta,
        Meta(
            description="Seconds to wait for another filer that downloads the same file "
            "into the cache; then it is downloaded twice."
        ),
    ] = timedelta(minutes=30)
    keep_modes: Annotated[
        bool,
        Meta(
            description="Files that are executable stay so, where the storage knows "
            "it (`file`)."
        ),
    ] = True
    tries: Annotated[
        int,
        Meta(description="How often a file is tried while its error may pass.", ge=1),
    ] = 5
    backoff: Annotated[
        timedelta,
        Meta(
            description="Longest wait, in seconds, before a file is tried again; it "
            "doubles with each try, up to 30 s."
        ),
    ] = timedelta(seconds=1)
    upload_tries: Annotated[
        int,
        Meta(
            description="How often the upload of all outputs is tried while its error "
            "may pass; given by the taskmaster where it cannot start another filer, as "
            "`taskmaster.upload_tries`. Once if an executor has failed.",
            ge=1,
        ),
    ] = 1
    upload_backoff: Annotated[
        timedelta,
        Meta(
            description="As `taskmaster.upload_backoff`, in seconds; given by the "
            "taskmaster."
        ),
    ] = timedelta(seconds=10)
    upload_timeout: Annotated[
        timedelta,
        Meta(
            description="As `taskmaster.upload_timeout`, in seconds; given by the "
            "taskmaster."
        ),
    ] = timedelta(hours=1)
    connect_timeout: Annotated[
        timedelta, Meta(description="Seconds to wait for a connection to a storage.")
    ] = timedelta(seconds=10)
    stall_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds without a byte after which a connection to a storage "
            "is given up."
        ),
    ] = timedelta(seconds=60)
    listen: Annotated[
        str,
        Meta(
            description="Address at which `tesk-filer serve` waits for the api: "
            "`host:port` or `unix:/path`. It looks at the urls of tasks that are "
            "checked before they are created, with all settings of this section."
        ),
    ] = "127.0.0.1:7071"
    check_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds for all urls of one check; what has not answered by "
            "then is unknown. At most 30 in effect: the api waits no longer."
        ),
    ] = timedelta(seconds=20)
    checks_at_once: Annotated[
        int,
        Meta(
            description="Checks that run at once, each a process of about 40 MiB; "
            "further ones wait for a moment, and are refused then.",
            ge=1,
            le=64,
        ),
    ] = 4
    checked_urls_per_minute: Annotated[
        int,
        Meta(
            description="Urls that are looked at for one user in a minute, and in one "
            "check; a check counts for ten more. Without authentication all clients "
            "share this.",
            ge=20,
            le=100_000,
        ),
    ] = 600
    scheduler_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds to retry calls to a scheduler that is unavailable.",
            extra={OLD_NAME: "scheduler_patience"},
        ),
    ] = timedelta(minutes=10)
    loopback: Loopback = "allow"
    private_networks: PrivateNetworks = "allow"
    allowed_networks: AllowedNetworks = ()
    refused_networks: RefusedNetworks = ()
    ftps_ca: Annotated[
        str,
        Meta(
            description="File with certificates (PEM) of authorities that sign those "
            "of ftps servers, besides the authorities of the system."
        ),
    ] = ""
    known_hosts: Annotated[
        str,
        Meta(
            description="File with the keys of sftp servers, in the form of "
            "`known_hosts` of OpenSSH; a server that is not in it is refused."
        ),
    ] = ""
    http_post: Annotated[
        tuple[str, ...],
        Meta(
            description="Beginnings of http and https urls to which outputs are sent by "
            "POST, in the form of `urls.allow`; all others get them by PUT."
        ),
    ] = ()
    shared_prefix: Annotated[
        str,
        Meta(
            description="`file://` url (or absolute path) below which lies storage "
            "that tasks share; `..` and links lead nowhere else. Other `file://` urls "
            "are subject to `local.file_roots`."
        ),
    ] = ""
    shared_path: Annotated[
        str,
        Meta(description="Folder where the filer has `shared_prefix` mounted."),
    ] = ""
    s3_endpoint: Annotated[
        str,
        Meta(
            description="Url of an S3 service other than AWS. Credentials come from "
            "the environment or files of the AWS tools."
        ),
    ] = ""
    s3_region: Annotated[
        str,
        Meta(description="Region of the S3 service. Empty: as the AWS tools find it."),
    ] = ""
    s3_anonymous: Annotated[
        bool, Meta(description="Do not sign requests to S3; for public buckets.")
    ] = False
    s3_sdk: Annotated[
        bool,
        Meta(
            description="Move objects of S3 by smart_open and the AWS SDK, as those of "
            "directory buckets always are: for services that want what only the SDK "
            "does. Slower for small files."
        ),
    ] = False
    hdfs_user: Annotated[
        str,
        Meta(
            description="User of HDFS, where neither url nor credentials name one. "
            "Empty: the server's default."
        ),
    ] = ""
    hdfs_port: Annotated[
        int,
        Meta(
            description="Port of WebHDFS at the hosts of `hdfs://` urls, whose own "
            "port is that of another protocol.",
            ge=1,
            le=65535,
        ),
    ] = 9870

    def __post_init__(self) -> None:
        """Refuse deadlines that nothing can meet.

        Raises:
            ValueError: The message names the setting below ``filer``.
        """
        for name in ("connect_timeout", "stall_timeout"):
            if not getattr(self, name):
                raise ValueError(f"{name}: must be more than 0")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the filer reads."""

    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    grpc: GrpcSettings = GrpcSettings()
    local: LocalSettings = LocalSettings()
    urls: UrlSettings = UrlSettings()
    filer: FilerSettings = FilerSettings()


def egress_policy(filer: FilerSettings) -> EgressPolicy:
    """Return which addresses the urls of tasks may lead to.

    Raises:
        ValueError: A setting is malformed; names it.
    """
    return policy_of(filer, "filer")
