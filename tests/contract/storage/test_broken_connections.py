"""Connections to ftp, ftps and sftp that break: nothing wrong is ever accepted."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.places import OPEN_EGRESS, Place
from files.certificates import Authority
from servers.ftp import FtpKind, ftp_server
from servers.proxy import Break, Proxy, tcp_proxy
from servers.sftp import PASSWORD, USER, sftp_server
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.sftp import SftpStorage
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import Login
from tesk_filer.ports import ChangedError, StorageError

SHORT = Timeouts(connect=timedelta(seconds=0.4), stall=timedelta(seconds=0.4))
SIZE = 600_000
CONTENT = os.urandom(SIZE)
OTHER_ADDRESS = "127.0.0.2"  # of servers whose data ports a proxy has on 127.0.0.1


@dataclass(frozen=True)
class Broken:
    """A storage whose connections go through proxies.

    Attributes:
        place: The storage, at the served folder.
        folder: What is served.
        data: The proxy of the bytes of files.
        control: That of commands; of sftp the same.
    """

    place: Place
    folder: Path
    data: Proxy
    control: Proxy


@pytest.fixture(params=["ftp", "ftps", "sftp"])
def broken(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Authority
) -> Iterator[Broken]:
    folder = tmp_path / "served"
    folder.mkdir()
    with ExitStack() as stack:
        if request.param == "sftp":
            yield _open_sftp(stack, folder)
        else:
            yield _open_ftp(stack, folder, request.param, authority)


def _open_ftp(
    stack: ExitStack, folder: Path, scheme: str, authority: Authority
) -> Broken:
    data = stack.enter_context(tcp_proxy(OTHER_ADDRESS))
    kind = FtpKind(tls="asked") if scheme == "ftps" else FtpKind()
    server = stack.enter_context(
        ftp_server(
            folder,
            kind,
            identity=authority.issue("127.0.0.1"),
            address=OTHER_ADDRESS,
            data_port=data.port,
        )
    )
    port = int(server.url.rpartition(":")[2])
    control = stack.enter_context(tcp_proxy(OTHER_ADDRESS, port))
    storage = FtpStorage(SHORT, egress=OPEN_EGRESS, ca_file=str(authority.certificate))
    stack.callback(storage.close)
    url = f"{scheme}://127.0.0.1:{control.port}"
    return Broken(Place(storage, url), folder, data, control)


def _open_sftp(stack: ExitStack, folder: Path) -> Broken:
    server = stack.enter_context(sftp_server(folder))
    proxy = stack.enter_context(tcp_proxy("127.0.0.1", server.port))
    server.known_hosts.write_text(f"[127.0.0.1]:{proxy.port} {server.host_key}")
    login = Login(user=USER, password=PASSWORD)
    storage = SftpStorage(
        SHORT,
        egress=OPEN_EGRESS,
        credentials=SettingCredentials(logins={"127.0.0.1": login}),
        known_hosts=str(server.known_hosts),
    )
    stack.callback(storage.close)
    url = f"sftp://127.0.0.1:{proxy.port}{folder}"
    return Broken(Place(storage, url), folder, proxy, proxy)


BREAKS = {
    "cut in the middle": Break(does="cut", after=200_000),
    "closed in the middle": Break(does="close", after=200_000),
    "stalled in the middle": Break(does="stall", after=200_000),
    "cut in a handshake": Break(does="cut", after=700),
    "closed at once": Break(does="close"),
}
LOGINS = {
    "cut": Break(does="cut", after=30),
    "closed": Break(does="close", after=120),
    "stalled": Break(does="stall", after=120),
}


@pytest.mark.parametrize("told", BREAKS.values(), ids=BREAKS)
def test_a_download_that_breaks_gives_an_error_or_is_too_short(
    broken: Broken, told: Break
) -> None:
    (broken.folder / "a").write_bytes(CONTENT)
    broken.data.breaks.append(told)

    broke = _read(broken.place)

    if isinstance(broke, StorageError):
        assert broke.transient
    else:  # plain FTP takes the end of data for that of the file; its size tells
        size, content = broke
        assert size == SIZE > len(content)
        assert CONTENT.startswith(content)
    assert _read(broken.place) == (SIZE, CONTENT)


def _read(place: Place) -> tuple[int | None, bytes] | StorageError:
    content = b""
    try:
        with place.open(place.at("a")) as reader:
            while data := reader.read(100_000):
                content += data
            return reader.size, content
    except StorageError as error:
        return error


@pytest.mark.parametrize("told", BREAKS.values(), ids=BREAKS)
def test_an_upload_that_breaks_leaves_what_was_there(
    broken: Broken, told: Break
) -> None:
    (broken.folder / "a").write_bytes(b"before")
    broken.data.breaks.append(replace(told, way="up"))

    with pytest.raises(StorageError) as caught:
        broken.place.put(broken.place.at("a"), CONTENT)

    assert caught.value.transient
    assert [path.name for path in broken.folder.iterdir()] == ["a"]
    assert (broken.folder / "a").read_bytes() == b"before"
    broken.place.put(broken.place.at("a"), CONTENT)
    assert (broken.folder / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("told", LOGINS.values(), ids=LOGINS)
def test_a_login_that_breaks_may_be_tried_again(broken: Broken, told: Break) -> None:
    (broken.folder / "a").write_bytes(CONTENT)
    broken.control.breaks.append(told)

    with pytest.raises(StorageError) as caught:
        broken.place.get(broken.place.at("a"))

    assert caught.value.transient
    assert broken.place.get(broken.place.at("a")) == CONTENT


@pytest.mark.parametrize("broken", ["ftps", "sftp"], indirect=True)
def test_a_byte_that_was_changed_on_the_way_is_noticed(
    broken: Broken,
) -> None:
    (broken.folder / "a").write_bytes(CONTENT)
    broken.data.breaks.append(Break(does="corrupt", after=100_000))

    with pytest.raises(StorageError) as caught:
        broken.place.get(broken.place.at("a"))

    assert caught.value.transient
    broken.data.breaks.append(Break(does="corrupt", after=100_000, way="up"))
    with pytest.raises(StorageError):
        _new(broken).put(broken.place.at("b"), CONTENT)
    assert not (broken.folder / "b").exists()


def _new(broken: Broken) -> Place:
    """Close the idle connections, so that the next is a new one."""
    broken.place.storage.close()  # type: ignore[attr-defined]  # not of the port
    return broken.place


def test_a_listing_that_breaks_is_an_error(broken: Broken) -> None:
    for number in range(300):
        (broken.folder / f"a file with quite a long name, number {number}").touch()
    broken.data.breaks.append(Break(does="cut", after=8_000))

    with pytest.raises(StorageError) as caught:
        broken.place.walk(broken.place.url)

    assert caught.value.transient
    assert len(broken.place.walk(broken.place.url)) == 300


@pytest.mark.parametrize("broken", ["ftp", "ftps"], indirect=True)
def test_a_listing_that_comes_byte_by_byte_is_given_up(broken: Broken) -> None:
    for number in range(300):
        (broken.folder / f"a file with quite a long name, number {number}").touch()
    broken.data.breaks.append(Break(does="trickle", after=8_000))

    with pytest.raises(StorageError, match=r"too slow|no answer in time") as caught:
        broken.place.walk(broken.place.url)

    assert caught.value.transient
    assert len(broken.place.walk(broken.place.url)) == 300


def test_what_has_become_another_file_meanwhile_is_read_anew(broken: Broken) -> None:
    (broken.folder / "a").write_bytes(CONTENT)
    (known,) = broken.place.walk(broken.place.url)
    (broken.folder / "a").write_bytes(CONTENT + b"more")

    with pytest.raises(ChangedError):
        broken.place.get(broken.place.at("a"), known=known)
