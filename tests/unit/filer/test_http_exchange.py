"""Requests and responses of HTTP on connections that are kept."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from files.certificates import Authority
from servers.http_proxy import http_proxy
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.http_pool import (
    Exchange,
    HttpPool,
    HttpRequest,
    Origin,
)
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import StorageError

TIMEOUTS = Timeouts(connect=timedelta(seconds=2), stall=timedelta(seconds=2))


@pytest.fixture
def pool() -> Iterator[HttpPool]:
    pool = HttpPool(timeouts=TIMEOUTS, size=4, environ={})
    yield pool
    pool.close()


def send(
    pool: HttpPool,
    script: Script,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    asks_first: bool = False,
) -> Exchange:
    request = HttpRequest(
        origin=Origin("http", "127.0.0.1", urlsplit(script.url).port),
        method=method,
        target="/a/../b?c=d",
        headers=headers or {},
        body=BytesBody(body),
        asks_first=asks_first,
    )
    return pool.send(request)


def read(exchange: Exchange, size: int = 1000) -> bytes:
    """Return the body, and give the connection back."""
    try:
        body = b""
        while data := exchange.response.read(size):
            assert len(data) <= size
            body += data
        return body
    finally:
        exchange.close()


LARGE = bytes(range(256)) * 1000
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKS = b"3\r\nabc\r\n40\r\n" + bytes(64) + b"\r\n0\r\n\r\n"
BODIES = {
    "nothing": (answer(200), b""),
    "a body": (answer(200, b"abc"), b"abc"),
    "more than a buffer": (answer(200, LARGE), LARGE),
    "chunks": (CHUNKED + CHUNKS, b"abc" + bytes(64)),
    "a body after interim responses": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
        + answer(200, b"abc"),
        b"abc",
    ),
}


@pytest.mark.parametrize(("raw", "body"), BODIES.values(), ids=BODIES)
def test_a_body_is_read_and_its_connection_serves_the_next_request(
    pool: HttpPool, raw: bytes, body: bytes
) -> None:
    with scripted_server(raw, answer(200, b"next"), raw) as script:
        exchange = send(pool, script)

        assert exchange.response.status == 200
        assert read(exchange, 7000) == body
        assert read(send(pool, script)) == b"next"
        assert read(send(pool, script), 3000) == body
        assert script.connections == 1
        assert script.requests[0].startswith("GET /a/../b?c=d HTTP/1.1\r\nhost: 127")


@pytest.mark.parametrize(
    "raw",
    [
        answer(200, b"x", connection="close"),
        b"HTTP/1.0 200 OK\r\nserver: connection: close\r\n\r\nx",
    ],
    ids=["by its own words", "as HTTP/1.0 does"],
)
def test_a_connection_that_ends_is_not_used_again(pool: HttpPool, raw: bytes) -> None:
    with scripted_server(raw, answer(200, b"next")) as script:
        assert read(send(pool, script)) == b"x"
        assert read(send(pool, script)) == b"next"
        assert script.connections == 2


def test_a_body_that_is_left_does_not_reach_the_next_request(pool: HttpPool) -> None:
    with scripted_server(answer(200, LARGE), answer(200, b"next")) as script:
        exchange = send(pool, script)
        exchange.response.read(10)
        exchange.close()

        assert read(send(pool, script)) == b"next"
        assert script.connections == 2


def test_bytes_that_nobody_asked_for_do_not_reach_the_next_request(
    pool: HttpPool,
) -> None:
    smuggled = answer(200, b"abc") + answer(200, b"smuggled")
    with scripted_server(smuggled, answer(200, b"next")) as script:
        assert read(send(pool, script)) == b"abc"
        assert read(send(pool, script)) == b"next"


def test_head_has_no_body(pool: HttpPool) -> None:
    head = answer(200, b"")[:-2].replace(b"content-length: 0", b"content-length: 9")
    with scripted_server(head + b"\r\n", answer(200, b"next")) as script:
        exchange = send(pool, script, "HEAD")
        assert exchange.response.headers["content-length"] == "9"
        assert read(exchange) == b""
        assert read(send(pool, script)) == b"next"


def test_an_idle_connection_that_the_server_closed_is_replaced(pool: HttpPool) -> None:
    with scripted_server(answer(200), b"", answer(200, b"again")) as script:
        read(send(pool, script))

        # The second request is lost with its connection, and sent again.
        assert read(send(pool, script, "PUT", b"body")) == b"again"
        assert script.bodies == [b"", b"body", b"body"]


def test_a_post_is_sent_once(pool: HttpPool) -> None:
    with scripted_server(answer(200), b"") as script:
        read(send(pool, script))

        with pytest.raises(ConnectionError):
            send(pool, script, "POST")
        assert len(script.requests) == 2


SHORT = {
    "of known length": answer(200, LARGE, connection="close")[:-1],
    "in chunks": CHUNKED.replace(b"200 OK", b"200 OK\r\nconnection: close")
    + CHUNKS[:-9],
}


@pytest.mark.parametrize("raw", SHORT.values(), ids=SHORT)
def test_a_body_that_ends_early_is_an_error(pool: HttpPool, raw: bytes) -> None:
    with scripted_server(raw) as script:
        exchange = send(pool, script)
        with pytest.raises(ConnectionError, match="closed before the end"):
            read(exchange)


BAD_HEADS = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
    "another protocol": b"HTTP/1.1 101 Any\r\nupgrade: h2\r\nconnection: upgrade\r\n\r\n",
    "an encoding": CHUNKED.replace(b"chunked", b"gzip, chunked") + CHUNKS,
    "two encodings": CHUNKED.replace(
        b"\r\n\r\n", b"\r\ntransfer-encoding: gzip\r\n\r\n"
    ),
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
}


@pytest.mark.parametrize("raw", BAD_HEADS.values(), ids=BAD_HEADS)
def test_what_is_not_http_is_refused(pool: HttpPool, raw: bytes) -> None:
    with scripted_server(raw) as script, pytest.raises(StorageError):
        send(pool, script)


SLOPPY = {
    "lines that end in LF": b"HTTP/1.1 200 Any\ncontent-length: 3\n\nabc",
    "a control character in a header": (
        b"HTTP/1.1 200 Any\r\nx: a\x01b\r\ncontent-length: 3\r\n\r\nabc"
    ),
    "a space after the size of a chunk": (
        b"HTTP/1.1 200 Any\r\ntransfer-encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"
    ),
    "no reason": b"HTTP/1.1 200\r\ncontent-length: 3\r\n\r\nabc",
    "an old version": b"HTTP/1.0 200 Any\r\nconnection: close\r\n\r\nabc",
}


@pytest.mark.parametrize("raw", SLOPPY.values(), ids=SLOPPY)
def test_what_other_clients_understand_is_understood(
    pool: HttpPool, raw: bytes
) -> None:
    with scripted_server(raw, b"") as script:
        exchange = send(pool, script, headers={"connection": "close"})
        assert (exchange.response.status, read(exchange)) == (200, b"abc")


def test_a_header_cannot_begin_another_line(pool: HttpPool) -> None:
    with scripted_server() as script, pytest.raises(StorageError, match="line end"):
        send(pool, script, headers={"if-match": "a\r\nx-evil: 1"})
    assert script.requests == []


def test_a_large_body_waits_until_the_server_wants_it(pool: HttpPool) -> None:
    proceed = b"HTTP/1.1 100 Continue\r\n\r\n"
    with scripted_server(proceed + answer(200), answer(403, b"no")) as script:
        large = bytes(2_000_000)
        assert read(send(pool, script, "PUT", large, asks_first=True)) == b""
        assert script.bodies == [large]

        refused = send(pool, script, "PUT", large, asks_first=True)
        assert (refused.response.status, read(refused)) == (403, b"no")
        assert script.bodies == [large]


UNSENT = bytes(30_000_000)  # more than fits between two programs


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_success_before_the_whole_body_was_sent_is_none(
    pool: HttpPool, method: str
) -> None:
    with scripted_server(answer(201, connection="close")) as script:
        script.answers_first = True
        with pytest.raises(StorageError, match="before it was sent all") as caught:
            send(pool, script, method, UNSENT)

    assert caught.value.transient


def test_a_refusal_before_the_whole_body_was_sent_is_what_it_says(
    pool: HttpPool,
) -> None:
    with scripted_server(answer(507, b"full", connection="close")) as script:
        script.answers_first = True
        refused = send(pool, script, "PUT", UNSENT)

        assert (refused.response.status, read(refused)) == (507, b"full")


def test_a_success_during_the_body_counts_once_all_was_sent(pool: HttpPool) -> None:
    with scripted_server(answer(201), answer(200, b"next")) as script:
        script.answers_first = True
        exchange = send(pool, script, "PUT", UNSENT)

        assert (exchange.response.status, read(exchange)) == (201, b"")
        assert read(send(pool, script)) == b"next"
        assert script.bodies[0] == UNSENT
        assert script.connections == 1


def test_a_success_instead_of_100_is_none(pool: HttpPool) -> None:
    with (
        scripted_server(answer(201)) as script,
        pytest.raises(StorageError, match="before it was sent all"),
    ):
        send(pool, script, "PUT", bytes(2_000_000), asks_first=True)


def test_no_request_follows_on_a_connection_that_waits_for_a_body(
    pool: HttpPool,
) -> None:
    with scripted_server(answer(403), answer(200, b"next")) as script:
        read(send(pool, script, "PUT", bytes(2_000_000), asks_first=True))

        assert read(send(pool, script)) == b"next"
        assert script.connections == 2


def test_a_head_that_comes_in_pieces_may_bring_much_of_its_body(pool: HttpPool) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"  # comes alone
    with scripted_server(interim + answer(200, LARGE)) as script:
        exchange = send(pool, script, "PUT", bytes(2_000_000), asks_first=True)
        assert read(exchange) == LARGE


ENDLESS = {
    "an extension of a chunk": CHUNKED + b"5;" + b"a" * 1_000_000,
    "trailers": CHUNKED + b"0\r\n" + b"a: b\r\n" * 100_000,
}


@pytest.mark.parametrize("raw", ENDLESS.values(), ids=ENDLESS)
def test_what_surrounds_a_body_has_a_limit(pool: HttpPool, raw: bytes) -> None:
    with scripted_server(raw) as script:
        exchange = send(pool, script)
        with pytest.raises(StorageError, match="without content or end"):
            read(exchange)


@contextmanager
def secure(
    folder: Path, *answers: bytes, proxied: bool
) -> Iterator[tuple[Script, Any]]:
    """Serve by TLS; also give a function that returns the body of the next answer."""
    authority = Authority(folder)
    issued = authority.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    with scripted_server(*answers, tls=tls) as script:
        environ = {"SSL_CERT_FILE": str(authority.certificate)}
        if proxied:
            environ["https_proxy"] = script.url
        pool = HttpPool(timeouts=TIMEOUTS, size=4, environ=environ)
        origin = Origin("https", "localhost", script.port)

        def get(size: int) -> bytes:
            request = HttpRequest(
                origin=origin, method="GET", target="/", headers={}, body=BytesBody()
            )
            return read(pool.send(request), size)

        yield script, get
        pool.close()


def test_tls_passes_through_a_proxy_and_its_tunnel_is_kept(tmp_path: Path) -> None:
    tunnel = b"HTTP/1.1 200 Any\r\n\r\n"
    answers = (tunnel, answer(200, b"abc"), answer(200, b"next"))
    with secure(tmp_path, *answers, proxied=True) as (script, get):
        assert get(1000) == b"abc"
        assert get(1000) == b"next"
        assert script.requests[0].startswith(f"CONNECT localhost:{script.port} ")
        assert script.connections == 1


def test_surplus_bytes_of_tls_do_not_reach_the_next_request(tmp_path: Path) -> None:
    # The rest of the body and what follows it are decrypted at once.
    smuggled = answer(200, bytes(100_000)) + answer(200, b"smuggled")
    with secure(tmp_path, smuggled, answer(200, b"next"), proxied=False) as (_, get):
        assert get(1_000_000) == bytes(100_000)
        assert get(1000) == b"next"


@pytest.mark.parametrize("tells_end", [True, False])
def test_tls_passes_through_a_proxy_that_is_spoken_to_by_tls(
    tmp_path: Path, *, tells_end: bool
) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    until_closed = b"HTTP/1.1 200 Any\r\nconnection: close\r\n\r\nabc"
    with (
        scripted_server(until_closed, tls=tls, tells_end=tells_end) as script,
        http_proxy(tls) as proxy,
    ):
        environ = {
            "SSL_CERT_FILE": str(authority.certificate),
            "https_proxy": proxy.url.replace("://", "://ada:p%40ss@"),
        }
        pool = HttpPool(timeouts=TIMEOUTS, size=4, environ=environ)
        origin = Origin("https", "localhost", script.port)
        request = HttpRequest(
            origin=origin, method="GET", target="/", headers={}, body=BytesBody()
        )
        exchange = pool.send(request)
        if tells_end:
            assert read(exchange) == b"abc"
        else:
            # Anybody between proxy and server can end the connection.
            with pytest.raises(OSError, match="EOF"):
                read(exchange)
        pool.close()
    assert proxy.requests[0].startswith(f"CONNECT localhost:{script.port} ")
    assert "proxy-authorization: Basic YWRhOnBAc3M=" in proxy.requests[0]


def test_a_proxy_that_cannot_be_used_is_told() -> None:
    pool = HttpPool(timeouts=TIMEOUTS, size=4, environ={"http_proxy": "socks5://p:1"})
    request = HttpRequest(
        origin=Origin("http", "host"),
        method="GET",
        target="/",
        headers={},
        body=BytesBody(),
    )
    with pytest.raises(StorageError, match="proxy is of a kind") as caught:
        pool.send(request)
    assert not caught.value.transient
