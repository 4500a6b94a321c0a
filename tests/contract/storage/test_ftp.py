"""FTP: short reads, logins, temporary names."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from contract.storage.places import OPEN_EGRESS, TIMEOUTS, Place
from servers.ftp import FtpFiles, FtpKind, ftp_server
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.adapters.storage.ftp_connections import translated_errors
from tesk_filer.ports import ChangedError, Source, Stat, StorageError
from tesk_model.locations import parse_location
from tesk_runtime.egress.policy import EgressPolicy


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpFiles]:
    with ftp_server(tmp_path) as files:
        yield files


@pytest.fixture
def ftp(server: FtpFiles) -> Iterator[Place]:
    storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
    yield Place(storage, server.url)
    storage.close()


def test_a_download_that_ends_early_shows_in_its_size(
    ftp: Place, server: FtpFiles, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(bytes(100_000))
    server.short_reads.append(5000)

    with ftp.open(ftp.url + "/a") as reader:
        content = b""
        while data := reader.read(1_000_000):
            content += data
        assert (len(content), reader.size) == (5000, 100_000)


@pytest.mark.parametrize("name", ["a\rb", "a\r\nDELE b"])
def test_a_name_with_line_ends_is_refused_in_words(ftp: Place, name: str) -> None:
    with pytest.raises(StorageError, match="no name with line ends") as caught:
        ftp.put(ftp.at(name), b"x")

    assert not caught.value.transient


def test_a_name_that_is_not_utf_8_is_named() -> None:
    listing = b"type=file; plain\r\ntype=file; caf\xe9\r\ntype=file; zebra\r\n"

    with (
        pytest.raises(StorageError, match=r'is not valid UTF-8: "type=file; caf.?"$'),
        translated_errors(),
    ):
        listing.decode()


def test_a_server_that_takes_few_connections_serves_many_threads(
    tmp_path: Path,
) -> None:
    with ftp_server(tmp_path, FtpKind(most=2)) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
        place = Place(storage, server.url)

        def move(number: int) -> bytes:
            place.put(place.at(str(number)), b"x" * number)
            return place.get(place.at(str(number)))

        with ThreadPoolExecutor(8) as threads:
            moved = list(threads.map(move, range(24)))
        storage.close()

    assert moved == [b"x" * number for number in range(24)]
    assert len(server.logins) <= 2


def test_a_login_serves_many_files(ftp: Place, server: FtpFiles) -> None:
    for number in range(5):
        ftp.put(f"{ftp.url}/{number}", b"x")
        ftp.get(f"{ftp.url}/{number}")

    assert server.logins == ["anonymous"]


class Watched(Egress):
    """Keeps a handle of each connection."""

    def __init__(self) -> None:
        super().__init__(EgressPolicy(section="filer"))
        self.opened: list[socket.socket] = []

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = super().connect(host, port, timeout)
        self.opened.append(connection.dup())
        return connection


def test_a_connection_for_commands_is_not_idle_for_minutes_while_a_file_moves(
    server: FtpFiles,
) -> None:
    egress = Watched()
    storage = FtpStorage(TIMEOUTS, egress=egress)

    Place(storage, server.url).put(server.url + "/a", b"x")

    storage.close()
    (connection,) = egress.opened
    with connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 60


def test_a_file_takes_the_commands_that_it_needs(ftp: Place, server: FtpFiles) -> None:
    """Small files cost what their commands do: two in, five out."""
    ftp.put(ftp.url + "/a", b"a")
    server.commands.clear()

    for _ in range(2):
        with ftp.open(ftp.url + "/a", known=Stat(size=1)) as reader:
            while reader.read(10):
                pass
    ftp.put(ftp.url + "/a", b"b")

    fetched, sent = ["PASV", "RETR"], ["PASV", "STOR", "SIZE", "RNFR", "RNTO"]
    assert server.commands == [*fetched, *fetched, *sent]


@pytest.mark.parametrize("known", [None, Stat(size=2_000_000)], ids=["one", "listed"])
def test_a_large_file_that_changes_while_it_is_read_is_refused(
    ftp: Place, tmp_path: Path, known: Stat | None
) -> None:
    (tmp_path / "a").write_bytes(b"a" * 2_000_000)
    os.utime(tmp_path / "a", (1_000_000, 1_000_000))

    with ftp.open(ftp.url + "/a", known=known) as reader:
        reader.read(1)
        (tmp_path / "a").write_bytes(b"b" * 2_000_000)
        with pytest.raises(ChangedError):
            b"".join(iter(partial(reader.read, 1_000_000), b""))


def test_a_server_that_knows_no_times_is_not_asked_for_one_at_the_end(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_bytes(b"a" * 2_000_000)
    with ftp_server(tmp_path, FtpKind(without=frozenset({"MDTM"}))) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
        content = Place(storage, server.url).get(f"{server.url}/a")
        storage.close()

    assert len(content) == 2_000_000
    assert server.commands.count("MDTM") <= 1


def test_a_large_file_that_becomes_shorter_is_not_sent_as_a_whole(
    ftp: Place, tmp_path: Path
) -> None:
    path = tmp_path / "volume"
    path.write_bytes(bytes(10_000_000))
    with path.open("rb") as file:
        source = Source(
            descriptor=file.fileno(), size=10_000_001, executable=False, tag="t"
        )
        with pytest.raises(StorageError, match="became shorter") as caught:
            ftp.storage.write(parse_location(ftp.url + "/b"), source, lambda _: None)

    assert caught.value.transient
    assert [entry.name for entry in ftp.walk(ftp.url)] == ["volume"]


def test_a_connection_that_the_server_closed_is_replaced(tmp_path: Path) -> None:
    storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
    with ftp_server(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
        Place(storage, "").put(first.url + "/a", b"x")

    with ftp_server(tmp_path, port=port) as second:
        assert second.url == first.url
        assert Place(storage, "").get(second.url + "/a") == b"x"
        assert second.logins == ["anonymous"]
        storage.close()


def test_a_wrong_password_is_not_repeated_in_the_error(server: FtpFiles) -> None:
    storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
    url = server.url.replace("://", "://ada:wr0ng@") + "/a"

    with pytest.raises(StorageError, match="check user and password") as caught:
        Place(storage, "").get(url)

    assert "wr0ng" not in str(caught.value)
    assert not caught.value.transient


def test_a_login_that_fails_otherwise_is_told_in_the_words_of_the_server(
    tmp_path: Path,
) -> None:
    storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)

    with (
        ftp_server(tmp_path, FtpKind(without=frozenset({"PASS"}))) as server,
        pytest.raises(
            StorageError, match=r"login refused for user ada \(500 .*PASS"
        ) as caught,
    ):
        Place(storage, "").get(server.url_with_password + "/a")

    assert "check user" not in str(caught.value)
    assert "p@ss" not in str(caught.value)


def test_a_name_of_a_url_that_is_not_utf_8_is_refused_before_it_is_sent(
    ftp: Place, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="a name is not valid UTF-8") as caught:
        ftp.put(f"{ftp.url}/caf%E9", b"x")

    assert not caught.value.transient
    assert list(tmp_path.iterdir()) == []


def test_a_directory_opened_as_a_file_names_the_cure(
    ftp: Place, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()

    with pytest.raises(StorageError, match="type DIRECTORY"):
        ftp.get(ftp.url + "/d")


def test_a_refused_connection_is_transient() -> None:
    with pytest.raises(StorageError, match="connection refused") as caught:
        Place(FtpStorage(TIMEOUTS, egress=OPEN_EGRESS), "").get("ftp://127.0.0.1:1/a")

    assert caught.value.transient


OLD = frozenset({"MLSD", "MLST"})
DROP_BOXES = {
    "nothing may be renamed": FtpKind(permissions="elradmwMT"),
    "nothing may be renamed or deleted": FtpKind(permissions="elramwMT"),
    "likewise, and nobody tells": FtpKind(permissions="elramwMT", without=OLD),
    "nothing may be deleted": FtpKind(permissions="elrafmwMT"),
    "no name may begin with a dot": FtpKind(refuses_dots=True),
    "nothing may be read": FtpKind(permissions="elwm"),
    "sizes are not known": FtpKind(permissions="elmw", without=OLD | {"SIZE"}),
}


@pytest.mark.parametrize("kind", DROP_BOXES.values(), ids=DROP_BOXES)
def test_a_drop_box_gets_the_file_and_nothing_else(
    tmp_path: Path, kind: FtpKind
) -> None:
    moved: list[int] = []
    with ftp_server(tmp_path, kind) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
        for name in ("a", "b"):
            Place(storage, "").put(
                f"{server.url}/in/{name}", b"content", advance=moved.append
            )
        storage.close()

    found = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    assert found == {"a": b"content", "b": b"content"}
    assert sum(moved) == 2 * len(b"content")


def test_a_directory_that_a_server_cannot_open_is_not_taken_for_an_empty_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "d").mkdir()
    kind = FtpKind(cannot_open=True, without=frozenset({"MLSD", "MLST"}))
    with ftp_server(tmp_path, kind) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)

        with pytest.raises(StorageError, match=r"access denied.*226"):
            Place(storage, "").list(f"{server.url}/d")

        storage.close()


def test_a_server_without_room_is_not_asked_again(tmp_path: Path) -> None:
    with ftp_server(tmp_path, FtpKind(is_full=True)) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)

        with pytest.raises(StorageError, match=r"no space is left.*\(452\)") as caught:
            Place(storage, "").put(f"{server.url}/a", b"content")

        storage.close()

    assert not caught.value.transient


def test_a_file_that_a_server_keeps_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before")
    kind = FtpKind(keeps_files=True, refuses_dots=True)
    with ftp_server(tmp_path, kind) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)

        with pytest.raises(StorageError, match="the server refuses: 553"):
            Place(storage, "").put(f"{server.url}/a", b"after")

        storage.close()

    assert (tmp_path / "a").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_files_appear_whole_where_they_can_be_renamed(
    ftp: Place, server: FtpFiles
) -> None:
    ftp.put(ftp.url + "/d/a", b"x")

    assert "RNTO" in server.commands


def test_a_path_is_relative_to_the_login(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / "data/a").write_text("one")
    (tmp_path / "a").write_text("two")
    with ftp_server(home, FtpKind(is_open=True)) as server:
        place = Place(FtpStorage(TIMEOUTS, egress=OPEN_EGRESS), server.url)

        assert place.get(f"{server.url}/data/a") == b"one"
        assert place.get(f"{server.url}/data/a;type=i") == b"one"
        assert place.get(f"{server.url}/%2F{tmp_path}/a") == b"two"
        assert place.get(f"{server.url}/{tmp_path}/a") == b"two"
        place.put(f"{server.url}/new/b", b"three")
        assert [entry.name for entry in place.walk(server.url)] == ["data/a", "new/b"]
        place.storage.close()  # type: ignore[attr-defined]  # not of the port

    assert (home / "new/b").read_bytes() == b"three"


BARE = {
    "mlsd": OLD,
    "mlsd and size": OLD | {"SIZE"},
}


@pytest.mark.parametrize("without", BARE.values(), ids=BARE)
def test_a_bare_server_lists_directories(
    tmp_path: Path, without: frozenset[str]
) -> None:
    for name in ("d/a", "d/.hidden", "d/sub/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "d/empty").mkdir()
    (tmp_path / "d/nowhere").symlink_to("none")
    with ftp_server(tmp_path, FtpKind(without=without)) as server:
        place = Place(FtpStorage(TIMEOUTS, egress=OPEN_EGRESS), server.url)

        names = [entry.name for entry in place.walk(f"{server.url}/d")]

        assert set(names) >= {".hidden", "a", "empty", "sub/b"}
        assert place.get(f"{server.url}/d/sub/b") == b"d/sub/b"
        place.storage.close()  # type: ignore[attr-defined]  # not of the port


def test_a_link_that_goes_round_is_left_out(ftp: Place, tmp_path: Path) -> None:
    (tmp_path / "d/sub").mkdir(parents=True)
    for name in ("d/file", "d/sub/g"):
        (tmp_path / name).write_text("x")
    (tmp_path / "d/self").symlink_to(".")
    (tmp_path / "d/sub/up").symlink_to("..")
    (tmp_path / "d/twice").symlink_to("sub")

    pages = list(ftp.pages(ftp.url + "/d"))

    names = [entry.name for page in pages for entry in page.entries]
    notes = [note for page in pages for note in page.notes]
    assert sorted(names) == ["file", "sub/g", "twice/g"]
    assert sorted(notes) == [
        f"{name} is a symlink cycle, left out"
        for name in ("self", "sub/up", "twice/up")
    ]
