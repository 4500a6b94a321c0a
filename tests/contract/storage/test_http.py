"""What http alone does: passwords, faults, redirects."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from contract.storage.places import Place
from servers.http import Fault, HttpFiles, http_server
from tesk_filer.adapters.storage.http import HttpStorage
from tesk_filer.adapters.storage.network import Timeouts
from tesk_filer.ports import StorageError

FAST = Timeouts(connect=timedelta(seconds=2), stall=timedelta(seconds=0.2))


@pytest.fixture
def server() -> Iterator[HttpFiles]:
    with http_server() as files:
        yield files


@pytest.fixture
def web(server: HttpFiles) -> Iterator[Place]:
    storage = HttpStorage(timeouts=FAST, connections=2)
    yield Place(storage, server.url)
    storage.close()


def test_a_directory_cannot_be_listed_and_the_error_names_the_cure(web: Place) -> None:
    with pytest.raises(StorageError, match="use s3, ftp or file") as caught:
        web.storage.list(web.url)

    assert not caught.value.transient


STATUSES = {
    "unauthorized": (401, False, "access denied (HTTP 401)"),
    "forbidden": (403, False, "access denied (HTTP 403)"),
    "missing": (404, False, "does not exist (HTTP 404)"),
    "gone": (410, False, "does not exist any more (HTTP 410)"),
    "not acceptable": (406, False, "HTTP 406"),
    "too many requests": (429, True, "HTTP 429"),
    "internal error": (500, True, "HTTP 500"),
    "unavailable": (503, True, "HTTP 503"),
    "a status of its own": (599, True, "HTTP 599"),
}


@pytest.mark.parametrize(
    ("status", "transient", "text"), STATUSES.values(), ids=STATUSES
)
def test_a_status_decides_whether_another_try_may_help(
    web: Place, server: HttpFiles, *, status: int, transient: bool, text: str
) -> None:
    server.faults["/a"] = [Fault(status=status), Fault(status=status)]

    with pytest.raises(StorageError) as reading:
        web.get(web.url + "/a")
    with pytest.raises(StorageError) as writing:
        web.put(web.url + "/a", b"x")

    for caught in (reading, writing):
        assert text in caught.value.message
        assert caught.value.transient == transient
    assert server.files == {}


def test_a_server_may_say_when_to_come_back(web: Place, server: HttpFiles) -> None:
    server.faults["/a"] = [Fault(status=503, retry_after="7")]

    with pytest.raises(StorageError) as caught:
        web.get(web.url + "/a")

    assert caught.value.retry_after == timedelta(seconds=7)


def test_a_cut_connection_is_noticed(web: Place, server: HttpFiles) -> None:
    server.files["/a"] = bytes(100_000)
    server.faults["/a"] = [Fault(cut_at=5000)]

    with pytest.raises(StorageError, match="connection broke") as caught:
        web.get(web.url + "/a")

    assert caught.value.transient


def test_a_silent_server_is_given_up(web: Place, server: HttpFiles) -> None:
    server.files["/a"] = b"x"
    server.faults["/a"] = [Fault(seconds=0.6)]

    with pytest.raises(StorageError, match="no answer in time") as caught:
        web.get(web.url + "/a")

    assert caught.value.transient


def test_nobody_listens(web: Place) -> None:
    with pytest.raises(StorageError, match="connection refused") as caught:
        web.get("http://127.0.0.1:1/a")

    assert caught.value.transient


def test_a_wrong_password_is_not_repeated_in_the_error() -> None:
    with http_server(user="ada", password="right") as server:
        storage = HttpStorage(timeouts=FAST, connections=1)
        place = Place(storage, server.url.replace("://", "://ada:wr0ng@"))

        with pytest.raises(StorageError, match="access denied") as caught:
            place.get(place.url + "/a")

        assert "wr0ng" not in str(caught.value)
        storage.close()


def test_a_password_may_hold_any_character() -> None:
    with http_server(user="ada@home", password="p:/?#%") as server:
        storage = HttpStorage(timeouts=FAST, connections=1)
        url = server.url.replace("://", "://ada%40home:p%3A%2F%3F%23%25@") + "/a"
        place = Place(storage, url)

        place.put(url, b"x")

        assert place.get(url) == b"x"
        storage.close()


def test_a_write_follows_a_redirect_without_taking_the_password_along(
    server: HttpFiles,
) -> None:
    with http_server() as other:
        server.faults["/a"] = [Fault(status=307, location=other.url + "/b")]
        storage = HttpStorage(timeouts=FAST, connections=1)

        Place(storage, "").put(
            server.url.replace("://", "://ada:secret@") + "/a", b"content"
        )

        assert other.files == {"/b": b"content"}
        assert set(other.authorizations) == {""}
        storage.close()


def test_a_write_is_not_turned_into_a_read_by_a_redirect(
    web: Place, server: HttpFiles
) -> None:
    server.files["/login"] = b"please log in"
    server.faults["/a"] = [Fault(status=302, location="/login")]

    with pytest.raises(StorageError, match="HTTP 302"):
        web.put(web.url + "/a", b"content")
