"""FTP: what servers say, in which encoding, and what they leave unsaid."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.places import OPEN_EGRESS, TIMEOUTS, Place
from servers.ftp import FtpKind, ftp_server
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import StorageError

SHORT = Timeouts(connect=timedelta(seconds=2), stall=timedelta(seconds=2))
OLD = frozenset({"MLSD", "MLST"})


@pytest.fixture
def latin(tmp_path: Path) -> Iterator[Place]:
    home = tmp_path / "Donn\xe9es"
    home.mkdir()
    with ftp_server(home, FtpKind(is_latin=True, is_open=True)) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
        yield Place(storage, server.url)
        storage.close()


def test_replies_and_homes_need_not_be_utf_8(latin: Place, tmp_path: Path) -> None:
    latin.put(f"{latin.url}/d/a", b"content")

    assert latin.get(f"{latin.url}/d/a") == b"content"
    assert [entry.name for entry in latin.walk(latin.url)] == ["d/a"]
    assert (tmp_path / "Donn\xe9es/d/a").read_bytes() == b"content"


def test_a_listed_name_that_is_not_utf_8_is_refused(
    latin: Place, tmp_path: Path
) -> None:
    (tmp_path / "Donn\xe9es/caf\xe9").write_bytes(b"content")

    with pytest.raises(StorageError, match=r'a name is not valid UTF-8: ".*caf\?"'):
        latin.walk(latin.url)


def test_a_refused_login_may_be_told_in_no_utf_8(latin: Place) -> None:
    url = latin.url.replace("://", "://ada:wr0ng@") + "/a"
    said = r"for user ada \(530 .*Enchant\?\); check user"

    with pytest.raises(StorageError, match=said) as caught:
        latin.get(url)

    assert not caught.value.transient


AT_ONCE = {
    "of facts": FtpKind(ends_at_once=True),
    "of names": FtpKind(ends_at_once=True, without=OLD),
}


@pytest.mark.parametrize("kind", AT_ONCE.values(), ids=AT_ONCE)
def test_a_listing_may_end_without_having_begun(tmp_path: Path, kind: FtpKind) -> None:
    (tmp_path / "d/empty").mkdir(parents=True)
    for name in "abcd":
        (tmp_path / "d" / name).write_text(name)
    with ftp_server(tmp_path, kind) as server:
        storage = FtpStorage(SHORT, egress=OPEN_EGRESS)

        found = Place(storage, "").walk(f"{server.url}/d")

        storage.close()

    assert [entry.name for entry in found if not entry.is_directory] == [*"abcd"]
    assert [entry.name for entry in found if entry.is_directory] == ["empty"]


def test_a_listing_that_fails_without_having_begun_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "d").mkdir()
    kind = FtpKind(ends_at_once=True, cannot_open=True, without=OLD)
    with ftp_server(tmp_path, kind) as server:
        storage = FtpStorage(SHORT, egress=OPEN_EGRESS)

        with pytest.raises(StorageError, match=r"access denied.*226") as caught:
            Place(storage, "").list(f"{server.url}/d")

        storage.close()

    assert not caught.value.transient


REPLIES = {
    "endless": b"220-hello\r\n" + b" again\r\n" * 2000,
    "longer than any line": b"220 " + b"x" * 20_000 + b"\r\n",
    "without sense": b"what?\r\n",
    "without sense or encoding": b"\xe9t\xe9\r\n",
    "with a code that is none": b"5\xe9\xe9 no\r\n",
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_reply_that_is_none_fails_for_good(reply: bytes) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        ThreadPoolExecutor(1) as peer,
    ):
        port = server.getsockname()[1]
        peer.submit(_greet, server, reply)

        with pytest.raises(
            StorageError, match=r"the server refuses: [ -~]*$"
        ) as caught:
            Place(FtpStorage(TIMEOUTS, egress=OPEN_EGRESS), "").get(
                f"ftp://127.0.0.1:{port}/a"
            )

        assert not caught.value.transient


def _greet(server: socket.socket, reply: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(reply)
