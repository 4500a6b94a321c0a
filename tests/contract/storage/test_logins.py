"""Users and passwords by host, for http and ftp."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.places import OPEN_EGRESS, Place, http_storage
from servers.ftp import PASSWORD, USER, FtpFiles, ftp_server
from servers.http import Fault, HttpFiles, http_server
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.adapters.storage.logins import read_logins
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.adapters.storage.watched_files import Reading
from tesk_filer.domain.credentials import Login
from tesk_filer.ports import StorageError

TIMEOUTS = Timeouts(connect=timedelta(seconds=5), stall=timedelta(seconds=5))
HOST = "127.0.0.1"


def netrc_file(folder: Path, text: str) -> str:
    file = folder / "netrc"
    file.write_text(text)
    return str(file)


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server(user="ada", password="s3cr3t") as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FtpFiles]:
    with ftp_server(tmp_path) as server:
        yield server


def login_at(host: str, user: str, password: str) -> SettingCredentials:
    return SettingCredentials(logins={host: Login(user=user, password=password)})


def http_place(credentials: SettingCredentials) -> Place:
    storage = http_storage(TIMEOUTS, credentials=credentials)
    return Place(storage, "")


def test_the_file_is_read_as_other_tools_read_it(tmp_path: Path) -> None:
    path = netrc_file(
        tmp_path,
        "# comment\nmachine A.example login ada password p\n"
        "machine b.example\n  login bob\n  account x\n  password q\n"
        "default login anyone password leaked\n",
    )

    assert read_logins(path, Reading()) == {
        "a.example": Login(user="ada", password="p"),
        "b.example": Login(user="bob", password="q"),
    }


def test_a_missing_setting_means_no_logins() -> None:
    assert read_logins("", Reading()) == {}


@pytest.mark.parametrize("text", [None, "machine a login b password\nhunter2 x"])
def test_an_unusable_file_is_named_and_not_shown(
    tmp_path: Path, text: str | None
) -> None:
    path = str(tmp_path / "none") if text is None else netrc_file(tmp_path, text)

    with pytest.raises(ValueError, match="NETRC") as caught:
        read_logins(path, Reading())

    assert "hunter2" not in str(caught.value)


def test_http_logs_in_by_the_file(web: HttpFiles) -> None:
    place = http_place(login_at(HOST, "ada", "s3cr3t"))

    place.put(web.url + "/a", b"content")

    assert place.get(web.url + "/a") == b"content"
    with pytest.raises(StorageError, match="access denied"):
        http_place(SettingCredentials()).get(web.url + "/a")


@pytest.mark.parametrize(
    ("password", "sent"), [("ä", "YWRhOuQ="), ("€", "YWRhOuKCrA==")]
)
def test_http_sends_any_password(web: HttpFiles, password: str, sent: str) -> None:
    with pytest.raises(StorageError, match="access denied"):
        http_place(login_at(HOST, "ada", password)).get(web.url + "/a")

    assert set(web.authorizations) == {f"Basic {sent}"}


def test_http_tells_no_other_host(web: HttpFiles) -> None:
    elsewhere = web.url.replace(HOST, "localhost")
    place = http_place(login_at(HOST, "ada", "s3cr3t"))

    with pytest.raises(StorageError, match="access denied"):
        place.get(elsewhere + "/a")

    assert set(web.authorizations) == {""}


def test_http_logs_in_where_it_is_sent_to_log_in(web: HttpFiles) -> None:
    web.files["/b"] = b"behind the login"
    with http_server() as front:
        redirect = Fault(status=302, location=web.url + "/b")
        front.faults["/a"] = [redirect, redirect]
        front_url = front.url.replace(HOST, "localhost")
        place = http_place(login_at(HOST, "ada", "s3cr3t"))

        assert place.get(front_url + "/a") == b"behind the login"
        assert set(front.authorizations) == {""}


def test_ftp_logs_in_by_the_file(archive: FtpFiles) -> None:
    storage = FtpStorage(
        TIMEOUTS, egress=OPEN_EGRESS, credentials=login_at(HOST, USER, PASSWORD)
    )

    Place(storage, "").put(archive.url + "/a", b"content")

    assert Place(storage, "").get(archive.url + "/a") == b"content"
    assert archive.logins == [USER]
    storage.close()


def test_ftp_tells_no_other_host(archive: FtpFiles) -> None:
    storage = FtpStorage(
        TIMEOUTS, egress=OPEN_EGRESS, credentials=login_at("elsewhere", USER, PASSWORD)
    )

    Place(storage, "").put(archive.url + "/a", b"content")

    assert archive.logins == ["anonymous"]
    storage.close()
