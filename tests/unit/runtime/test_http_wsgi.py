"""WSGI environments of requests, and encoded responses."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.parsing import Request, RequestReader
from tesk_runtime.http.wsgi import (
    ConnectionAddresses,
    Response,
    call,
    encode,
    environ_of,
)

PEER = ConnectionAddresses("10.0.0.1", "4711", "127.0.0.1", "8080")


def request_of(data: bytes) -> Request:
    reader = RequestReader(HttpLimits())
    reader.feed(data)
    return reader.ready[0]


def environ(data: bytes) -> dict[str, Any]:
    return environ_of(request_of(data), PEER)


HEADERS = b" HTTP/1.1\r\nHost: h\r\n"


def test_a_request_becomes_an_environment() -> None:
    found = environ(
        b"POST /a%2Fb%3Ac?d=%20e" + HEADERS + b"X-One: 1\r\nx-one: 2\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    )

    assert found["REQUEST_METHOD"] == "POST"
    assert (found["PATH_INFO"], found["QUERY_STRING"]) == ("/a/b:c", "d=%20e")
    assert found["HTTP_X_ONE"] == "1,2"
    assert (found["CONTENT_TYPE"], found["CONTENT_LENGTH"]) == ("text/plain", "5")
    assert found["wsgi.input"].read() == b"hello"
    assert (found["REMOTE_ADDR"], found["SERVER_PORT"]) == ("10.0.0.1", "8080")


def test_a_chunked_body_has_a_length_in_the_end() -> None:
    found = environ(
        b"POST /"
        + HEADERS
        + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )

    assert found["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in found


def test_a_header_with_an_underscore_does_not_pass_for_another() -> None:
    assert "HTTP_X_USER" not in environ(b"GET /" + HEADERS + b"X_User: root\r\n\r\n")


TARGETS = {
    "a path": (b"/a?b", "/a", "b", "h"),
    "no query": (b"/a", "/a", "", "h"),
    "two questions": (b"/a?b?c", "/a", "b?c", "h"),
    "a url": (b"http://other:9/a?b", "/a", "b", "other:9"),
    "a url without path": (b"http://other", "/", "", "other"),
    "a url in a path": (b"/http://other/", "/http://other/", "", "h"),
}


@pytest.mark.parametrize(
    ("target", "path", "query", "host"), TARGETS.values(), ids=TARGETS
)
def test_targets(target: bytes, path: str, query: str, host: str) -> None:
    found = environ(b"GET " + target + HEADERS + b"\r\n")

    assert (found["PATH_INFO"], found["QUERY_STRING"]) == (path, query)
    assert found["HTTP_HOST"] == host


GET = b"GET /" + HEADERS + b"\r\n"
OK = Response("200 OK", [("X-A", "1")], b"hello")


def test_an_answer_has_its_length() -> None:
    head, _, body = encode(OK, request_of(GET), close=False).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\nDate: ")
    assert b"Connection" not in head
    assert body == b"hello"


def test_an_answer_is_sent_whatever_its_headers_hold() -> None:
    """It is encoded in the loop, where an error would leave its client waiting."""
    answer = encode(Response("200 OK", [("X-One", "\u0178")], b""), None, close=False)

    assert b"X-One: ?\r\n" in answer


def test_the_last_answer_says_so() -> None:
    assert b"\r\nConnection: close\r\n" in encode(OK, None, close=True)


def test_responses_of_some_statuses_have_no_body() -> None:
    asked = request_of(b"HEAD" + GET[3:])
    none = Response("204 No Content", [], b"")

    assert encode(OK, asked, close=False).endswith(b"\r\n\r\n")
    assert b"Content-Length: 5" in encode(OK, asked, close=False)
    assert b"Content-Length" not in encode(none, request_of(GET), close=False)


def test_an_application_is_called_and_closed() -> None:
    closed = []

    class Answer(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(_environ: Any, start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("A", "b")])
        return Answer([b"x", b"y"])

    assert call(app, {}) == Response("200 OK", [("A", "b")], b"xy")
    assert closed
