"""What ftp alone does: short reads, logins, temporary names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.storage.conftest import TIMEOUTS
from contract.storage.places import Place
from servers.ftp import FtpFiles, ftp_server
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.ports import StorageError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpFiles]:
    with ftp_server(tmp_path) as files:
        yield files


@pytest.fixture
def ftp(server: FtpFiles) -> Iterator[Place]:
    storage = FtpStorage(TIMEOUTS)
    yield Place(storage, server.url)
    storage.close()


def test_a_download_that_ends_early_shows_in_its_size(
    ftp: Place, server: FtpFiles, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(bytes(100_000))
    server.short_reads.append(5000)

    with ftp.storage.open(ftp.url + "/a") as reader:
        content = b""
        while data := reader.read(1_000_000):
            content += data
        assert (len(content), reader.size) == (5000, 100_000)


def test_one_login_serves_many_files(ftp: Place, server: FtpFiles) -> None:
    for number in range(5):
        ftp.put(f"{ftp.url}/{number}", b"x")
        ftp.get(f"{ftp.url}/{number}")

    assert server.logins == ["anonymous"]


def test_a_connection_that_the_server_closed_is_replaced(tmp_path: Path) -> None:
    storage = FtpStorage(TIMEOUTS)
    with ftp_server(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
        Place(storage, "").put(first.url + "/a", b"x")

    with ftp_server(tmp_path, port=port) as second:
        assert second.url == first.url
        assert Place(storage, "").get(second.url + "/a") == b"x"
        assert second.logins == ["anonymous"]
        storage.close()


def test_a_wrong_password_is_not_repeated_in_the_error(server: FtpFiles) -> None:
    storage = FtpStorage(TIMEOUTS)
    url = server.url.replace("://", "://ada:wr0ng@") + "/a"

    with pytest.raises(StorageError, match="check user and password") as caught:
        Place(storage, "").get(url)

    assert "wr0ng" not in str(caught.value)
    assert not caught.value.transient


def test_a_directory_opened_as_a_file_names_the_cure(
    ftp: Place, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()

    with pytest.raises(StorageError, match="type DIRECTORY"):
        ftp.get(ftp.url + "/d")


def test_nobody_listens() -> None:
    with pytest.raises(StorageError, match="connection refused") as caught:
        Place(FtpStorage(TIMEOUTS), "").get("ftp://127.0.0.1:1/a")

    assert caught.value.transient
