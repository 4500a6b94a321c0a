"""Settings of storages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.domain.expansion import Limits
from tesk_filer.ports import Credentials
from tesk_model.schemes import MOST_WIDENING
from tesk_model.url_lists import UrlPattern
from tesk_runtime.protected_paths import ProtectedPaths

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Timeouts of connections.

    Attributes:
        connect: To connect.
        stall: Between two bytes.
    """

    connect: timedelta
    stall: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTrust:
    """Files that tell which servers are who they say they are; "" for none.

    Attributes:
        ftps_ca: See ``filer.ftps_ca``.
        known_hosts: See ``filer.known_hosts``.
    """

    ftps_ca: str = ""
    known_hosts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccess:
    """Files of this machine that tasks may use.

    Attributes:
        roots: Folders that may be read and written.
        read_roots: Folders that may be read.
        shared_prefix: Url or path of shared storage; "" if there is none.
        shared_path: Folder where that is mounted.
        protected: Returns the protected paths; slow.
        most: See ``LocalStorage``.
    """

    roots: tuple[str, ...]
    read_roots: tuple[str, ...]
    shared_prefix: str
    shared_path: str
    protected: Callable[[], ProtectedPaths]
    most: int = Limits().files


@dataclass(frozen=True, slots=True, kw_only=True)
class HdfsService:
    """HDFS; see ``filer.hdfs_user`` and ``filer.hdfs_port``."""

    user: str = ""
    port: int = 9870


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How HTTP is spoken.

    Attributes:
        authorities: File or folder of the certificates that are trusted; "" for those
            of certifi.
        post: Urls to which outputs are sent by POST; to others by PUT.
        index_pages: Urls of directories whose index pages may be read as listings.
    """

    authorities: str = ""
    post: tuple[UrlPattern, ...] = ()
    index_pages: tuple[UrlPattern, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """Settings of all storages.

    Attributes:
        connections: Number of files that are transferred at once.
        credentials: Of the operator.
        egress: Connects to hosts that are named by urls, and not by the operator.
        environ: Variables of the process, among them those of the tools of clouds.
    """

    timeouts: Timeouts
    connections: int
    credentials: Credentials
    egress: Egress
    server_trust: ServerTrust = ServerTrust()
    files: FileAccess
    environ: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    hdfs: HdfsService = HdfsService()
    http: HttpOptions = HttpOptions()

    @property
    def idle_connections(self) -> int:
        """Connections that are kept: as many as small files may move at once."""
        return self.connections * MOST_WIDENING
