"""What storages are told of the installation: the settings that concern them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tesk_filer.adapters.storage.logins import Logins
from tesk_runtime.protected_paths import ProtectedPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait.

    Attributes:
        connect: For a connection.
        stall: For the next bytes; after that the connection is given up.
    """

    connect: timedelta
    stall: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccess:
    """Which files of this machine tasks may use.

    Attributes:
        roots: Folders that may be read and written.
        read_roots: Folders that may be read.
        shared_prefix: Url or path below which lies shared storage; "" if none.
        shared_path: Folder where that is mounted.
        protected: Returns what no task may touch; it takes a while.
    """

    roots: tuple[str, ...]
    read_roots: tuple[str, ...]
    shared_prefix: str
    shared_path: str
    protected: Callable[[], ProtectedPaths]


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Service:
    """Which S3 service; see ``filer.s3_endpoint`` and its neighbours."""

    endpoint: str
    region: str
    anonymous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """All of it.

    Attributes:
        connections: Files that move at once.
        logins: Users and passwords by host.
    """

    timeouts: Timeouts
    connections: int
    logins: Logins
    files: FileAccess
    s3: S3Service
