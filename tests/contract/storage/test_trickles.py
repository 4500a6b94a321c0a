"""Servers that send a byte before each stall timeout: no document takes for ever."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from contract.storage.places import OPEN_EGRESS, Place, http_storage
from servers.scripted import answer
from servers.trickle import trickling_server
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.rest import Request, RestClient
from tesk_filer.adapters.storage.sftp_protocol import Kind
from tesk_filer.adapters.storage.sftp_session import SftpSession
from tesk_filer.adapters.storage.storage_config import HttpOptions, Timeouts
from tesk_filer.ports import StorageError
from tesk_model.url_lists import parse_url_patterns

SHORT = Timeouts(connect=timedelta(seconds=0.2), stall=timedelta(seconds=0.2))
PAGE = answer(200, bytes(100_000), content_type="text/html").partition(b"\0")[0]
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n"
)
BODIES = {
    "a body": PAGE,
    "a chunk": CHUNKED + b"fffff\r\n",
    "the size of a chunk": CHUNKED + b"5;",
    "a head": b"HTTP/1.1 200 OK\r\nx: ",
    "a line of status": b"HTTP/1.1 200 ",
}


def by_index_page(port: int) -> None:
    """Get an index page, as the storage of http does."""
    pages = parse_url_patterns((f"http://127.0.0.1:{port}/",), "index")
    storage = http_storage(SHORT, options=HttpOptions(index_pages=pages))
    try:
        Place(storage, f"http://127.0.0.1:{port}").list(f"http://127.0.0.1:{port}/a/")
    finally:
        storage.close()


def by_service(port: int) -> None:
    """Get a document, as the storages of clouds do."""
    client = RestClient(HttpPool(timeouts=SHORT, size=2, environ={}))
    request = Request(method="GET", url=f"http://127.0.0.1:{port}/a")
    try:
        client.send(request).read_document()
    finally:
        client.close()


@pytest.mark.parametrize("begin", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("get", [by_index_page, by_service])
def test_a_document_of_http_has_an_end(
    get: Callable[[int], None], begin: bytes
) -> None:
    with trickling_server(begin) as port:
        with pytest.raises(StorageError, match=r"too slow|no answer in time") as caught:
            get(port)

        assert caught.value.transient


def test_what_is_left_of_an_error_of_http_is_not_waited_for() -> None:
    error = answer(404, bytes(50_000)).partition(b"\0")[0]
    with trickling_server(error) as port:
        storage = http_storage(SHORT)
        assert Place(storage, "").stat(f"http://127.0.0.1:{port}/a") is None
        storage.close()


class Babbler:
    """A channel of SSH whose server answers something else, again and again."""

    def __init__(self, *packets: bytes) -> None:
        self._left = list(packets)
        self._last = packets[-1]

    def sendall(self, _: bytes, /) -> None:
        """See ``Channel``."""

    def recv(self, _: int, /) -> bytes:
        """See ``Channel``."""
        return self._left.pop(0) if self._left else self._last


def test_a_response_of_sftp_has_an_end() -> None:
    version = b"\0\0\0\5\2\0\0\0\3"
    unasked = b"\0\0\0\5\x65\0\0\0\x63"  # STATUS of another request
    session = SftpSession(Babbler(version, unasked), stall=0.01)

    with pytest.raises(StorageError, match="the server is too slow"):
        session.call(Kind.STAT, b"")


REPLIES = {
    "a reply of ftp": (b"220 ", b"x"),
    "lines of a reply of ftp": (b"220-a\r\n", b"220-b\r\n"),
}


@pytest.mark.parametrize(("begin", "then"), REPLIES.values(), ids=REPLIES)
def test_a_reply_of_ftp_has_an_end(begin: bytes, then: bytes) -> None:
    with trickling_server(begin, then=then) as port:
        storage = FtpStorage(SHORT, egress=OPEN_EGRESS)
        with pytest.raises(StorageError, match="the server is too slow") as caught:
            Place(storage, "").stat(f"ftp://127.0.0.1:{port}/a")

        assert caught.value.transient
