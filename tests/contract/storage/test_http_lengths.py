"""Files of http that come without a length: only the end of the connection ends them.

Anybody on the way can end a connection, so the size is asked for.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.storage.places import TIMEOUTS, Place, http_storage
from servers.http import Fault, http_server
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.ports import ChangedError, Part, Stat, StorageError

CONTENT = b"0123456789"
CUT = CONTENT[:4]


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as found:
        yield found


@pytest.fixture
def place(script: Script) -> Iterator[Place]:
    storage = http_storage(TIMEOUTS)
    yield Place(storage, script.url)
    storage.close()


def untold(body: bytes, **headers: str) -> bytes:
    """Return a response that its connection's end ends."""
    _, _, rest = answer(200, body, connection="close", **headers).partition(b"length: ")
    return b"HTTP/1.1 200 Any\r\n" + rest.partition(b"\r\n")[2]


def told(size: int, *, status: int = 200, **headers: str) -> bytes:
    """Return a response to HEAD."""
    lines = [f"HTTP/1.1 {status} Any", f"content-length: {size}"]
    lines.extend(
        f"{name.replace('_', '-')}: {value}" for name, value in headers.items()
    )
    return "\r\n".join([*lines, "", ""]).encode()


def download(place: Place, folder: Path, known: Stat | None = None) -> bytes:
    with place.open(place.at("a"), known=known) as reader:
        FolderVolume(folder).save("/a", reader, lambda _: None)
    return (folder / "a").read_bytes()


def methods(script: Script) -> list[str]:
    return [each.partition(" ")[0] for each in script.requests]


@pytest.mark.parametrize("body", [CUT, CONTENT + b"!"], ids=["shorter", "longer"])
def test_a_file_without_length_must_have_the_size_that_head_tells(
    place: Place, script: Script, tmp_path: Path, body: bytes
) -> None:
    script.answers = [untold(body), told(10)]

    with pytest.raises(StorageError, match="of 10 bytes arrived") as caught:
        download(place, tmp_path)

    assert caught.value.transient
    assert not (tmp_path / "a").exists()


def test_a_whole_file_without_length_arrives(
    place: Place, script: Script, tmp_path: Path
) -> None:
    script.answers = [untold(CONTENT, etag='"1"'), told(10, etag='"1"')]

    assert download(place, tmp_path) == CONTENT
    assert methods(script) == ["GET", "HEAD"]


def test_a_file_without_length_must_have_the_size_that_was_known(
    place: Place, script: Script, tmp_path: Path
) -> None:
    script.answers = [untold(CUT)]

    with pytest.raises(StorageError, match="4 of 10 bytes arrived"):
        download(place, tmp_path, Stat(size=10))

    assert methods(script) == ["GET"]


def test_a_part_beyond_the_end_is_one_of_a_file_that_has_changed(
    place: Place, script: Script
) -> None:
    script.answers = [answer(416)]

    with pytest.raises(ChangedError):
        place.get(f"{script.url}/a", part=Part(5, 10))


NOT_TOLD = {
    "no size": b"HTTP/1.1 200 Any\r\n\r\n",
    "no HEAD": told(99, status=405),
    "0, as of what is made when it is asked for": told(0),
    "of another version": told(99, etag='"2"'),
    "of an encoded form": told(99, content_encoding="gzip"),
}


@pytest.mark.parametrize("head", NOT_TOLD.values(), ids=NOT_TOLD)
def test_a_file_of_which_no_size_is_told_is_taken_as_it_comes(
    place: Place, script: Script, tmp_path: Path, head: bytes
) -> None:
    script.answers = [untold(CONTENT, etag='"1"'), head]

    assert download(place, tmp_path) == CONTENT


def test_a_server_that_does_not_answer_head_leaves_a_file_for_another_try(
    place: Place, script: Script, tmp_path: Path
) -> None:
    script.answers = [untold(CONTENT), b""]

    with pytest.raises(StorageError) as caught:
        download(place, tmp_path)

    assert caught.value.transient


CHUNKED = b"HTTP/1.1 200 Any\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"
LENGTHS = {"a length": answer(200, CONTENT), "chunks": CHUNKED}


@pytest.mark.parametrize("response", LENGTHS.values(), ids=LENGTHS)
def test_what_has_an_end_of_its_own_takes_one_request(
    place: Place, script: Script, tmp_path: Path, response: bytes
) -> None:
    script.answers = [response]

    assert download(place, tmp_path) == CONTENT
    assert methods(script) == ["GET"]


def test_a_part_says_where_it_ends(place: Place, script: Script) -> None:
    part = untold(CONTENT[2:5], content_range="bytes 2-4/10", etag='"1"')
    script.answers = [part.replace(b" 200 ", b" 206 ")]

    known = Stat(size=10, etag='"1"')
    assert place.get(place.at("a"), part=Part(2, 5), known=known) == b"234"
    assert methods(script) == ["GET"]


def test_head_is_asked_where_a_redirect_leads_and_with_what_is_for_that(
    place: Place, script: Script, tmp_path: Path
) -> None:
    with http_server(user="ada", password="pw") as server:
        server.files["/b"] = CONTENT
        moved = Fault(status=302, location=script.url + "/c")
        server.faults["/a"] = [moved]
        script.answers = [untold(CUT), told(10)]

        with (
            place.open(server.url_with_password + "/a") as reader,
            pytest.raises(StorageError, match="4 of 10 bytes arrived"),
        ):
            FolderVolume(tmp_path).save("/a", reader, lambda _: None)

    assert [each.partition(" HTTP")[0] for each in script.requests] == [
        "GET /c",
        "HEAD /c",
    ]
    assert not any("authorization" in each.lower() for each in script.requests)
