"""Requests are parsed, however their bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.parsing import Phase, RefusedError, Request, RequestReader

LIMITS = HttpLimits(body_bytes=1000, head_bytes=2000, headers=20, pipelined=3)
GET = b"GET /a?b=%20c HTTP/1.1\r\nHost: h\r\nX-One: 1\r\n\r\n"
POST = b"POST /t HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /t HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
OLD = b"GET / HTTP/1.0\r\n\r\n"


def read(*parts: bytes) -> RequestReader:
    reader = RequestReader(LIMITS)
    for part in parts:
        reader.feed(part)
    return reader


def seen(request: Request) -> tuple[str, bytes, bytes]:
    return request.method, request.target, bytes(request.body)


def test_requests_are_read_with_their_bodies() -> None:
    ready = read(GET + POST + CHUNKED).ready

    assert [seen(request) for request in ready] == [
        ("GET", b"/a?b=%20c", b""),
        ("POST", b"/t", b"hello"),
        ("POST", b"/t", b"hello"),
    ]
    assert ready[0].headers == [(b"Host", b"h"), (b"X-One", b"1")]
    assert all(request.keep_alive for request in ready)


def test_an_old_client_does_not_go_on() -> None:
    (request,) = read(OLD).ready

    assert (request.version, request.keep_alive) == ("1.0", False)


@pytest.mark.parametrize("plain", [GET, POST, CHUNKED])
def test_an_offer_of_another_protocol_changes_nothing(plain: bytes) -> None:
    """Its body is no request; answered once, its connection goes on."""
    inner = plain.replace(b"hello", b"GET /")
    offer = inner.replace(b"\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", 1)

    whole = read(offer + GET)
    dripped = read(*(bytes([each]) for each in offer + GET))

    for found in (whole, dripped):
        assert [seen(one) for one in found.ready] == [
            seen(one) for one in read(inner + GET).ready
        ]
        assert all(one.keep_alive for one in found.ready)
        assert found.phase is Phase.NOTHING


@given(
    st.lists(st.sampled_from([GET, POST, CHUNKED]), min_size=1, max_size=3),
    st.lists(st.integers(min_value=1, max_value=40), max_size=30),
)
def test_pieces_make_no_difference(requests: list[bytes], sizes: list[int]) -> None:
    whole = b"".join(requests)
    cuts = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    pieces = [whole[a:b] for a, b in zip(cuts, [*cuts[1:], None], strict=True)]

    found = read(*[piece for piece in pieces if piece])

    assert [seen(one) for one in found.ready] == [
        seen(one) for one in read(whole).ready
    ]
    assert found.phase is Phase.NOTHING


PHASES = {
    "nothing": (b"", Phase.NOTHING),
    "empty lines": (b"\r\n\r\n", Phase.NOTHING),
    "a letter": (b"G", Phase.HEAD),
    "all but the last byte of the head": (GET[:-1], Phase.HEAD),
    "a head": (POST[:-5], Phase.BODY),
    "a request": (POST, Phase.NOTHING),
    "a request and more": (POST + b"G", Phase.HEAD),
}


@pytest.mark.parametrize(("data", "want"), PHASES.values(), ids=PHASES)
def test_the_phase_tells_how_far_a_request_is(data: bytes, want: Phase) -> None:
    assert read(data).phase is want


def test_leave_to_send_is_asked_for_until_the_body_is_here() -> None:
    reader = read(POST[:-9] + b"\r\nExpect: 100-Continue\r\n\r\n")
    assert reader.expects

    reader.feed(b"hello")

    assert not reader.expects


HOST = b" HTTP/1.1\r\nHost: h\r\n"
LENGTH = b"POST /" + HOST + b"Content-Length: "
REFUSED = {
    "no HTTP": (b"SSH-2.0-x\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /" + HOST + b"Host: i\r\n\r\n", 400),
    "two lengths": (LENGTH + b"1\r\nContent-Length: 2\r\n\r\n", 400),
    "length and chunks": (LENGTH + b"1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "a negative length": (LENGTH + b"-1\r\n\r\n", 400),
    "a length of many digits": (LENGTH + b"9" * 500 + b"\r\n\r\n", 400),
    "a folded header": (b"GET /" + HOST + b" folded\r\n\r\n", 400),
    "a blank before the colon": (b"GET /" + HOST + b"X : 1\r\n\r\n", 400),
    "a tunnel": (b"CONNECT a:80" + HOST + b"\r\n", 501),
    "another version": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "no version": (b"GET /\r\n\r\n", 505),
    "chunks of old": (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "a compressed body": (CHUNKED.replace(b": chunked", b": gzip, chunked"), 501),
    "a chunk without size": (CHUNKED.replace(b"2\r\nhe", b"x\r\nhe"), 400),
    "too large, as announced": (LENGTH + b"1001\r\n\r\n", 413),
    "too large, in chunks": (
        CHUNKED.replace(b"2\r\nhe", b"3e9\r\n" + b"h" * 1001),
        413,
    ),
    "an unknown expectation": (LENGTH + b"5\r\nExpect: tea\r\n\r\n", 417),
    "a long line": (b"GET /" + b"a" * 2001 + HOST, 431),
    "a long header": (b"GET /" + HOST + b"X: " + b"a" * 2000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /" + HOST + b"X: 1\r\n" * 20 + b"\r\n", 431),
    "sent ahead": (GET * 4, 429),
}


@pytest.mark.parametrize(("data", "want"), REFUSED.values(), ids=REFUSED)
def test_an_invalid_request_is_refused(data: bytes, want: int) -> None:
    with pytest.raises(RefusedError) as refusal:
        read(data)

    assert refusal.value.status == want


ENDLESS = {
    "a name": b"GET /" + HOST,
    "a value": b"GET /" + HOST + b"X: ",
    "the extension of a chunk": CHUNKED.partition(b"2\r\n")[0] + b"2;",
    "a trailer": CHUNKED.partition(b"0\r\n")[0] + b"0\r\nX: ",
}


@pytest.mark.parametrize("start", ENDLESS.values(), ids=ENDLESS)
def test_endless_requests_are_refused(start: bytes) -> None:
    reader = read(start)

    def go_on() -> None:
        for _ in range(100):
            reader.feed(b"a" * 100)

    with pytest.raises(RefusedError) as refusal:
        go_on()

    assert refusal.value.status == 431
