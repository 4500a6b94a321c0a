"""HTTP: passwords, faults, redirects."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.places import TIMEOUTS, Place, http_storage
from servers.ftp import ftp_server
from servers.http import Fault, HttpFiles, http_server
from tesk_filer.adapters.storage.http_redirects import keeps_login
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import Part, StorageError
from tesk_model.locations import parse_location

IMPATIENT = Timeouts(connect=timedelta(seconds=20), stall=timedelta(seconds=0.2))


@pytest.fixture
def server() -> Iterator[HttpFiles]:
    with http_server() as files:
        yield files


@pytest.fixture
def web(server: HttpFiles) -> Iterator[Place]:
    storage = http_storage(TIMEOUTS)
    yield Place(storage, server.url)
    storage.close()


def test_a_directory_cannot_be_listed_and_the_error_names_the_cure(web: Place) -> None:
    with pytest.raises(StorageError, match="use s3, ftp or file") as caught:
        web.list(web.url)

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
    "what the server cannot do": (501, False, "HTTP 501"),
    "no space": (507, False, "a quota is used up"),
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


def test_a_silent_server_is_given_up(server: HttpFiles) -> None:
    server.faults["/a"] = [Fault(is_silent=True)]
    storage = http_storage(IMPATIENT)

    with pytest.raises(StorageError, match="no answer in time") as caught:
        Place(storage, "").get(server.url + "/a")

    assert caught.value.transient
    storage.close()


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "."])
def test_a_host_that_cannot_be_fails_for_good(web: Place, host: str) -> None:
    with pytest.raises(StorageError, match=r"valid|resolved") as caught:
        web.get(f"http://{host}/a")

    assert not caught.value.transient


def test_a_refused_connection_is_transient(web: Place) -> None:
    with pytest.raises(StorageError, match="connection refused") as caught:
        web.get("http://127.0.0.1:1/a")

    assert caught.value.transient


def test_a_wrong_password_is_not_repeated_in_the_error() -> None:
    with http_server(user="ada", password="right") as server:
        storage = http_storage(TIMEOUTS)
        place = Place(storage, server.url.replace("://", "://ada:wr0ng@"))

        with pytest.raises(StorageError, match="access denied") as caught:
            place.get(place.url + "/a")

        assert "wr0ng" not in str(caught.value)
        storage.close()


def test_a_password_may_hold_any_character() -> None:
    with http_server(user="ada@home", password="p:/?#%") as server:
        storage = http_storage(TIMEOUTS)
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
        storage = http_storage(TIMEOUTS)

        Place(storage, "").put(
            server.url.replace("://", "://ada:secret@") + "/a", b"content"
        )

        assert other.files == {"/b": b"content"}
        assert set(other.authorizations) == {""}
        storage.close()


NO_FILE = {
    "accepted": (202, True, "the file is not there yet"),
    "no content": (204, False, "not the file"),
    "reset content": (205, False, "not the file"),
    "a part that nobody asked for": (206, False, "not the whole file"),
    "several choices": (300, False, "not the file"),
    "found nowhere": (302, False, "not the file"),
    "not modified": (304, False, "not the file"),
}


@pytest.mark.parametrize(("status", "passes", "text"), NO_FILE.values(), ids=NO_FILE)
def test_a_response_that_is_not_the_file_is_refused(
    web: Place, server: HttpFiles, *, status: int, passes: bool, text: str
) -> None:
    body = b"" if status in (204, 205, 304) else b"please wait"
    server.faults["/a"] = [Fault(status=status, body=body)]

    with pytest.raises(StorageError, match=text) as caught:
        web.get(web.url + "/a")

    assert f"(HTTP {status})" in caught.value.message
    assert caught.value.transient == passes


def test_an_answer_from_a_copy_is_the_file(web: Place, server: HttpFiles) -> None:
    server.faults["/a"] = [Fault(status=203, body=b"content")]

    assert web.get(web.url + "/a") == b"content"


TARGETS = {
    "of another scheme": ("ftp://u:secret@127.0.0.1/a", "neither http nor https"),
    "of a file": ("file:///etc/passwd", "neither http nor https"),
    "of no scheme at all": ("javascript:alert(1)", "not a usable url"),
    "that is malformed": ("http://[::1/a", "not a usable url"),
    "with a port that is none": ("http://127.0.0.1:999999/", "not a usable url"),
}


@pytest.mark.parametrize(("location", "text"), TARGETS.values(), ids=TARGETS)
def test_an_unusable_redirect_fails_permanently(
    web: Place, server: HttpFiles, location: str, text: str
) -> None:
    server.faults["/a"] = [Fault(status=307, location=location)] * 2

    with pytest.raises(StorageError, match=text) as reading:
        web.get(web.url + "/a")
    with pytest.raises(StorageError, match=text) as writing:
        web.put(web.url + "/a", b"x")

    for caught in (reading, writing):
        assert not caught.value.transient
        assert "secret" not in caught.value.message


def test_a_redirect_without_end_fails_for_good(web: Place, server: HttpFiles) -> None:
    server.faults["/a"] = [Fault(status=302, location="/a")] * 50

    with pytest.raises(StorageError, match="redirects without end") as caught:
        web.get(web.url + "/a")

    assert not caught.value.transient


def test_a_read_follows_redirects_and_logs_in_again_at_the_same_server_alone(
    server: HttpFiles,
) -> None:
    with http_server() as other:
        other.files["/c"] = b"content"
        server.faults["/a"] = [Fault(status=301, location="/b")]
        server.faults["/b"] = [Fault(status=303, location=other.url + "/c")]
        storage = http_storage(TIMEOUTS)

        url = server.url.replace("://", "://ada:secret@") + "/a"
        assert Place(storage, "").get(url) == b"content"

        assert "" not in server.authorizations
        assert set(other.authorizations) == {""}
        storage.close()


SERVERS = {
    "the same": ("http://h/a", "http://H:80/b", True),
    "the same, encrypted": ("http://h/a", "https://h/b", True),
    "no longer encrypted": ("https://h/a", "http://h/b", False),
    "another port": ("http://h/a", "http://h:81/b", False),
    "another host": ("http://h/a", "http://i/b", False),
    "the same before a fragment": ("http://h/a", "http://h#@i/b", True),
    "another host behind a query": ("http://h/a", "http://i?@h/b", False),
}


@pytest.mark.parametrize(("before", "after", "keeps"), SERVERS.values(), ids=SERVERS)
def test_a_login_is_kept_at_the_same_server_alone(
    before: str, after: str, *, keeps: bool
) -> None:
    assert keeps_login(parse_location(before), parse_location(after)) is keeps


@pytest.mark.parametrize(
    "date", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "1 Jan 9999 99:0:0"]
)
def test_a_time_that_is_none_is_no_reason_to_give_up(
    web: Place, server: HttpFiles, date: str
) -> None:
    server.faults["/a"] = [Fault(status=503, headers={"Retry-After": date})]

    with pytest.raises(StorageError, match="503") as caught:
        web.get(web.url + "/a")

    assert caught.value.transient
    assert caught.value.retry_after is None


LENGTHS = {
    "of 5,000 digits": "9" * 5000,
    "that is no number": "many",
    "below nothing": "-7",
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_a_length_that_is_none_fails_for_good(
    web: Place, server: HttpFiles, length: str
) -> None:
    server.faults["/a"] = [
        Fault(status=200, body=b"x", headers={"Content-Length": length})
    ]

    with pytest.raises(StorageError, match="Content-Length") as caught:
        web.get(web.url + "/a")

    assert not caught.value.transient
    assert len(caught.value.message) < 100


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(
    web: Place, server: HttpFiles
) -> None:
    server.faults["/a"] = [Fault(status=200, body=b"0123456789")]

    assert web.get(web.url + "/a", part=Part(4, 8)) == b"4567"


AFTER_A_WRITE = {
    "a redirect to a page": Fault(status=302, location="/login"),
    "the length of something encoded": Fault(
        status=200, body=b"x", headers={"Content-Encoding": "gzip"}
    ),
    "nothing": Fault(status=404),
    "a length that is none": Fault(status=200, headers={"Content-Length": "x"}),
    "that nobody may look": Fault(status=403),
}


@pytest.mark.parametrize("fault", AFTER_A_WRITE.values(), ids=AFTER_A_WRITE)
def test_a_response_about_another_resource_disproves_no_write(
    web: Place, server: HttpFiles, fault: Fault
) -> None:
    server.files["/login"] = b"please log in"
    server.faults["/a"] = [Fault(), fault]

    web.put(web.url + "/a", b"content")

    assert server.files["/a"] == b"content"
    assert server.requests == [("PUT", "/a"), ("HEAD", "/a")]


HEADS = {
    "that it has nothing": Fault(status=200),
    "what was there before": Fault(status=200, body=b"before"),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_server_that_miscounts_for_head_is_asked_for_the_file(
    web: Place, server: HttpFiles, head: Fault
) -> None:
    server.faults["/a"] = [Fault(), head]

    web.put(web.url + "/a", b"content")

    assert server.requests == [("PUT", "/a"), ("HEAD", "/a"), ("GET", "/a")]


def test_an_older_state_of_the_file_disproves_no_write(
    web: Place, server: HttpFiles
) -> None:
    tagged = Fault(status=201, headers={"ETag": 'W/"2"'})
    older = Fault(status=200, body=b"before", headers={"ETag": '"1"'})
    server.faults["/a"] = [tagged, older]

    web.put(web.url + "/a", b"content")

    assert server.requests == [("PUT", "/a"), ("HEAD", "/a")]


def test_another_length_of_the_same_file_is_told(web: Place, server: HttpFiles) -> None:
    short = Fault(status=200, body=b"short")
    server.faults["/a"] = [Fault(), short, short]

    with pytest.raises(StorageError, match="sent 7 bytes and now has 5"):
        web.put(web.url + "/a", b"content")


def test_a_server_that_speaks_no_tls_is_told(web: Place) -> None:
    with pytest.raises(StorageError, match="does not speak TLS there") as caught:
        web.get(web.url.replace("http:", "https:") + "/a")

    assert not caught.value.transient


def test_a_server_that_speaks_no_http_is_told(web: Place, tmp_path: Path) -> None:
    with (
        ftp_server(tmp_path) as other,
        pytest.raises(StorageError, match="does not answer in HTTP") as caught,
    ):
        web.get(other.url.replace("ftp:", "http:") + "/a")

    assert not caught.value.transient


def test_a_write_is_not_turned_into_a_read_by_a_redirect(
    web: Place, server: HttpFiles
) -> None:
    server.files["/login"] = b"please log in"
    server.faults["/a"] = [Fault(status=302, location="/login")]

    with pytest.raises(StorageError, match="HTTP 302"):
        web.put(web.url + "/a", b"content")
