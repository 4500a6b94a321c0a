"""FTP with TLS: certificates, ports, and what servers demand."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.storage.places import OPEN_EGRESS, TIMEOUTS, Place
from files.certificates import Authority
from servers.ftp import FtpKind, ftp_server
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.ports import StorageError
from tesk_runtime.egress.policy import EgressPolicy

ASKED = FtpKind(tls="asked")


class OtherPort(Egress):
    """Leads to a server whose port is not the one of the url."""

    def __init__(self, port: int) -> None:
        super().__init__(EgressPolicy(section="filer"))
        self._port = port
        self.asked: list[int] = []

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        self.asked.append(port)
        return super().connect(host, self._port, timeout)


@pytest.fixture
def trusting(authority: Authority) -> Iterator[FtpStorage]:
    storage = FtpStorage(
        TIMEOUTS, egress=OPEN_EGRESS, ca_file=str(authority.certificate)
    )
    yield storage
    storage.close()


def test_a_certificate_of_an_unknown_authority_is_refused_for_good(
    authority: Authority, tmp_path: Path
) -> None:
    storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
    identity = authority.issue("127.0.0.1")

    with (
        ftp_server(tmp_path, ASKED, identity=identity) as server,
        pytest.raises(StorageError, match=r"not trusted .*filer\.ftps_ca") as caught,
    ):
        Place(storage, "").get(server.url_with_password + "/a")

    assert not caught.value.transient
    assert "PASS" not in server.commands


def test_a_certificate_of_another_host_is_refused_for_good(
    authority: Authority, trusting: FtpStorage, tmp_path: Path
) -> None:
    identity = authority.issue("elsewhere.example.org")

    with (
        ftp_server(tmp_path, ASKED, identity=identity) as server,
        pytest.raises(StorageError, match="not trusted") as caught,
    ):
        Place(trusting, "").get(server.url_with_password + "/a")

    assert not caught.value.transient
    assert "PASS" not in server.commands


def test_no_password_is_sent_where_there_is_no_tls(
    trusting: FtpStorage, tmp_path: Path
) -> None:
    with ftp_server(tmp_path) as server:
        url = server.url_with_password.replace("ftp://", "ftps://") + "/a"

        with pytest.raises(StorageError, match="offers no TLS") as caught:
            Place(trusting, "").get(url)

    assert not caught.value.transient
    assert "PASS" not in server.commands


def test_port_990_has_tls_from_the_first_byte_on(
    authority: Authority, tmp_path: Path
) -> None:
    kind = FtpKind(tls="first", wants_reuse=True)
    identity = authority.issue("127.0.0.1")
    with ftp_server(tmp_path, kind, identity=identity) as server:
        egress = OtherPort(int(server.url.rpartition(":")[2]))
        ca_file = str(authority.certificate)
        storage = FtpStorage(TIMEOUTS, egress=egress, ca_file=ca_file)
        place = Place(storage, "ftps://127.0.0.1:990")

        place.put(place.at("d/a"), bytes(1_000_000))

        assert place.get(place.at("d/a")) == bytes(1_000_000)
        assert [entry.name for entry in place.walk(place.url)] == ["d/a"]
        storage.close()
    assert egress.asked == [990]
    assert "AUTH" not in server.commands


def test_without_a_port_tls_is_asked_for_on_that_of_ftp(
    authority: Authority, tmp_path: Path
) -> None:
    identity = authority.issue("127.0.0.1")
    with ftp_server(tmp_path, ASKED, identity=identity) as server:
        egress = OtherPort(int(server.url.rpartition(":")[2]))
        ca_file = str(authority.certificate)
        storage = FtpStorage(TIMEOUTS, egress=egress, ca_file=ca_file)

        Place(storage, "").put("ftps://127.0.0.1/a", b"x")
        storage.close()

    assert egress.asked == [21]
    assert server.commands[:3] == ["AUTH", "PBSZ", "PROT"]


def test_a_server_that_demands_resumed_sessions_serves_many_files(
    authority: Authority, trusting: FtpStorage, tmp_path: Path
) -> None:
    kind = FtpKind(tls="asked", wants_reuse=True)
    with ftp_server(tmp_path, kind, identity=authority.issue("127.0.0.1")) as server:
        place = Place(trusting, server.url)
        for number in range(5):
            place.put(place.at(str(number)), bytes(100_000))

        assert len(place.walk(server.url)) == 5
        assert place.get(place.at("4")) == bytes(100_000)
        assert server.logins == ["anonymous"]


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    storage = FtpStorage(
        TIMEOUTS, egress=OPEN_EGRESS, ca_file=str(tmp_path / "none.pem")
    )

    with pytest.raises(StorageError, match=r"filer\.ftps_ca cannot be read"):
        Place(storage, "").get("ftps://127.0.0.1/a")
