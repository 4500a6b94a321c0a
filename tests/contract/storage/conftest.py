"""Every storage on a real server, and the fake, all empty."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.storage import clouds
from contract.storage.aws import Seconds, know_nothing
from contract.storage.clouds import BUCKET, WEBHDFS, webhdfs_place
from contract.storage.places import OPEN_EGRESS, TIMEOUTS, Place, http_storage
from fakes.filer_batches import MemoryBatches
from fakes.filer_storage import MemoryStorage
from files.certificates import Authority
from servers import azurite
from servers.azure import azure_server
from servers.ftp import FtpKind, ftp_server
from servers.gcs import gcs_server
from servers.http import http_server
from servers.identities import Identities, identity_server
from servers.s3 import ACCESS_KEY, SECRET_KEY, S3Service, s3_server
from servers.sftp import SftpFiles, SftpKind, sftp_server
from servers.sshd import Sshd, sshd_problem, sshd_server
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3_clients import S3Clients
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_sdk import S3SdkObjects
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.sftp import SftpStorage
from tesk_filer.adapters.storage.shared import open_shared
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import Credential, PrivateKey, S3Account, S3Keys
from tesk_filer.ports import Credentials
from tesk_model.locations import Location

_NO_CREDENTIALS = SettingCredentials()


@dataclass(frozen=True)
class OneCredential:
    """One credential for every url; satisfies ``ports.Credentials``."""

    credential: Credential | None

    def find(self, location: Location) -> Credential | None:
        """See ``Credentials``."""
        del location
        return self.credential


@pytest.fixture(scope="session")
def s3_service() -> Iterator[S3Service]:
    with s3_server("bucket") as service:
        yield service


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def without_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be a machine that knows nothing of AWS."""
    know_nothing(monkeypatch, tmp_path)


@pytest.fixture
def seconds() -> Seconds:
    """A clock that stands still until it is moved."""
    return Seconds()


@pytest.fixture
def identities() -> Iterator[Identities]:
    """A service that says who a machine is."""
    with identity_server() as server:
        yield server


def _s3_account(service: S3Service) -> SettingCredentials:
    keys = S3Keys(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    return SettingCredentials(s3=S3Account(endpoint=service.endpoint, keys=keys))


@pytest.fixture
def s3_sdk_place(s3_service: S3Service, tmp_path: Path) -> Iterator[Place]:
    clients = S3Clients(
        _s3_account(s3_service), AwsEnvironment({}), timeouts=TIMEOUTS, connections=4
    )
    storage = ObjectStorage(S3SdkObjects(clients))
    yield Place(storage, f"s3://bucket/{tmp_path.name}", has_directories=False)
    storage.close()


@pytest.fixture
def s3_place(s3_service: S3Service, tmp_path: Path) -> Iterator[Place]:
    storage = clouds.open_s3(_s3_account(s3_service))
    yield Place(storage, f"s3://bucket/{tmp_path.name}", has_directories=False)
    storage.close()


@pytest.fixture
def http_place() -> Iterator[Place]:
    with http_server(user="ada", password="s3cr3t") as server:
        storage = http_storage(TIMEOUTS)
        yield Place(storage, server.url_with_password + "/base")
        storage.close()


@pytest.fixture(scope="session")
def gcs_endpoint() -> Iterator[str]:
    with gcs_server(BUCKET) as endpoint:
        yield endpoint


@pytest.fixture
def gs_place(gcs_endpoint: str, tmp_path: Path) -> Iterator[Place]:
    with clouds.gs_place(gcs_endpoint, tmp_path.name) as place:
        yield place


@pytest.fixture(scope="session")
def azure_endpoint() -> Iterator[str]:
    with azure_server() as server:
        yield server.endpoint


@pytest.fixture
def azure_place(azure_endpoint: str) -> Iterator[Place]:
    with clouds.azure_place(azure_endpoint) as place:
        yield place


@pytest.fixture(scope="session")
def azurite_endpoint() -> Iterator[str]:
    if not azurite.PROGRAM.exists():
        pytest.skip("Azurite is not installed; a server of ours is tried: make azurite")
    with azurite.azurite_server() as endpoint:
        yield endpoint


@pytest.fixture
def azurite_place(azurite_endpoint: str) -> Iterator[Place]:
    with clouds.azure_place(azurite_endpoint) as place:
        yield place


FTP = {
    "ftp": FtpKind(),
    "ftp account": FtpKind(),
    "ftp not locked in": FtpKind(is_open=True),
    "ftp with patterns": FtpKind(takes_patterns=True),
    "ftp without mlsd": FtpKind(without=frozenset({"MLSD", "MLST"})),
    "old ftp with patterns": FtpKind(
        without=frozenset({"MLSD", "MLST"}), takes_patterns=True
    ),
}
FTPS = {"ftps": FtpKind(tls="asked", wants_reuse=True)}
SFTP = {"sftp": SftpKind(), "sftp that does not replace": SftpKind(replaces=False)}
SFTPS = [*SFTP, "openssh"]
CLOUDS = ["gs", "azure", "azurite"]
TREES = ["file", "path", "shared", *WEBHDFS, *FTP, *FTPS, "sftp", "openssh"]
LISTING = ["memory", "s3", "s3_sdk", *CLOUDS, *TREES]


@pytest.fixture(params=[*LISTING, "http"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give each storage in turn."""
    yield from _open(request, tmp_path)


@pytest.fixture(params=LISTING)
def listing_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give each storage that has listings."""
    yield from _open(request, tmp_path)


@pytest.fixture(params=TREES)
def tree_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give each storage in which a name is a file or a directory."""
    yield from _open(request, tmp_path)


@pytest.fixture(
    params=["batches", "file", "path", "shared", "beside what is shared", *SFTPS]
)
def batching(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give each storage that moves small files together."""
    yield from _open(request, tmp_path)


@pytest.fixture(params=["memory", "s3", *CLOUDS])
def removing_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give each storage that removes files."""
    yield from _open(request, tmp_path)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    if problem := sshd_problem(folder):
        pytest.skip(problem)
    with sshd_server(folder) as server:
        yield server


@pytest.fixture
def openssh_place(sshd: Sshd, tmp_path: Path) -> Iterator[Place]:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}")
    key = PrivateKey(user=sshd.user, key=sshd.private_key.read_text())
    storage = SftpStorage(
        TIMEOUTS,
        egress=OPEN_EGRESS,
        credentials=OneCredential(key),
        known_hosts=str(known_hosts),
    )
    yield Place(storage, f"sftp://127.0.0.1:{sshd.port}{tmp_path}/served/base")
    storage.close()


def sftp_storage(
    server: SftpFiles,
    credentials: Credentials = _NO_CREDENTIALS,
    *,
    timeouts: Timeouts = TIMEOUTS,
) -> SftpStorage:
    """Return a storage that knows the key of a server."""
    return SftpStorage(
        timeouts,
        egress=OPEN_EGRESS,
        credentials=credentials,
        known_hosts=str(server.known_hosts),
    )


def _open(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind: str = request.param
    served = tmp_path / "served"
    served.mkdir()
    if kind in ("s3", "s3_sdk", "http", "openssh", *CLOUDS):
        yield request.getfixturevalue(f"{kind}_place")
    elif kind in WEBHDFS:
        with webhdfs_place(kind) as place:
            yield place
    elif kind == "memory":
        yield Place(MemoryStorage(), "/base", has_directories=False)
    elif kind == "batches":
        yield Place(MemoryBatches(), "/base", has_directories=False)
    elif kind in ("file", "path"):
        scheme = "file://" if kind == "file" else ""
        yield Place(LocalStorage([str(served)]), f"{scheme}{served}/base")
    elif kind == "shared":
        yield Place(
            open_shared("file:///shared", str(served), others=None), "/shared/base"
        )
    elif kind == "beside what is shared":
        local = LocalStorage([str(served)])
        yield Place(open_shared("file:///shared", "/", others=local), f"{served}/base")
    elif kind in SFTP:
        with sftp_server(served, SFTP[kind]) as server:
            sftp = sftp_storage(server)
            yield Place(sftp, f"{server.url_with_password}{served}/base")
            sftp.close()
    else:
        authority: Authority = request.getfixturevalue("authority")
        identity = authority.issue("127.0.0.1")
        kinds = FTP | FTPS
        with ftp_server(served, kinds[kind], identity=identity) as server:
            base = server.url_with_password if kind == "ftp account" else server.url
            ftp = FtpStorage(
                TIMEOUTS, egress=OPEN_EGRESS, ca_file=str(authority.certificate)
            )
            yield Place(ftp, base + "/base")
            ftp.close()
