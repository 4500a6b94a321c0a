"""Events are sent over real connections, to receivers that are good, slow, gone or lie."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from files.certificates import Authority
from schedulers.webhook_sending import BODY, KEYS, SHORT, SHUT, Sending, keep_secrets
from servers.scripted import Script, answer, scripted_server
from servers.trickle import trickling_server
from tesk_runtime.egress.policy import EgressPolicy
from tesk_scheduler.domain.webhooks.deliveries import Response, SendResult

Send = Callable[..., SendResult]


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Send one event to a url."""
    secrets = keep_secrets(tmp_path)

    def send_to(
        url: str, names: tuple[str, ...] = ("key",), **options: Any
    ) -> SendResult:
        return Sending(secrets=secrets, **options)(url, names)

    return send_to


def headers_of(script: Script) -> dict[str, str]:
    lines = script.requests[0].splitlines()[1:]
    pairs = (line.split(": ", 1) for line in lines)
    return {name.lower(): text for name, text in pairs}


def test_an_event_arrives_whole_and_both_secrets_verify_it(send: Send) -> None:
    with scripted_server(answer(204)) as receiver:
        result = send(f"{receiver.url}/a b?t=%20x", names=("key", "old"))

    assert result == SendResult(response=Response.ACCEPTED)
    assert receiver.bodies == [BODY]
    assert receiver.requests[0].startswith("POST /a%20b?t=%20x HTTP/1.1\r\n")
    headers = headers_of(receiver)
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["webhook-id"] == "t-1.7"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    for key in KEYS.values():
        Webhook(key).verify(BODY, headers)


RESPONSES = {
    "any success": (answer(202), Response.ACCEPTED, ""),
    "gone": (answer(410), Response.GONE, "Gone"),
    "a bad event": (answer(422), Response.REJECTED, "answered 422"),
    "not allowed": (answer(401), Response.UNAVAILABLE, "answered 401"),
    "an error": (answer(500), Response.UNAVAILABLE, "answered 500"),
    "an answer that is none": (
        b"hello\r\n\r\n",
        Response.UNAVAILABLE,
        "not speak HTTP",
    ),
    "no answer": (b"", Response.UNAVAILABLE, "without an answer"),
}


@pytest.mark.parametrize(
    ("script", "response", "detail"), RESPONSES.values(), ids=RESPONSES
)
def test_each_answer_has_its_meaning(
    script: bytes, response: Response, detail: str, send: Send
) -> None:
    with scripted_server(script) as receiver:
        result = send(receiver.url)

    assert result.response is response
    assert detail in result.detail


def test_a_receiver_may_ask_for_a_pause(send: Send) -> None:
    with scripted_server(
        answer(429, retry_after="30"), answer(503, retry_after="x")
    ) as receiver:
        results = [send(receiver.url), send(receiver.url)]

    assert [each.response for each in results] == [Response.UNAVAILABLE] * 2
    assert [each.retry_after for each in results] == [timedelta(seconds=30), None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int, send: Send) -> None:
    with scripted_server(answer(200)) as other:
        moved = answer(status, location=f"{other.url}/secret")
        with scripted_server(moved) as receiver:
            result = send(receiver.url)

    assert other.requests == []
    assert result.response is Response.UNAVAILABLE
    assert "redirects are not followed" in result.detail


def test_nothing_of_a_large_body_is_read(send: Send) -> None:
    with trickling_server(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n"
    ) as port:
        result = send(f"http://127.0.0.1:{port}")

    assert result.response is Response.ACCEPTED


ENDLESS = {
    "a status line": (b"HTTP/1.1 200", b"x"),
    "a header": (b"HTTP/1.1 200 OK\r\nx: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "nothing": (b"", b""),
}


@pytest.mark.parametrize(("begin", "then"), ENDLESS.values(), ids=ENDLESS)
def test_a_slow_answer_ends_with_the_deadline(
    begin: bytes, then: bytes, send: Send
) -> None:
    with trickling_server(begin, then=then) as port:
        result = send(f"http://127.0.0.1:{port}/s3cr3t", timeout=SHORT)

    assert result.response is Response.UNAVAILABLE
    assert result.detail in ("did not answer within 0.5 s", "does not speak HTTP")
    assert "s3cr3t" not in result.detail


def test_a_peer_that_never_shakes_hands_ends_with_the_deadline(send: Send) -> None:
    with trickling_server(b"", then=b"") as port:
        result = send(f"https://127.0.0.1:{port}/", timeout=SHORT)

    assert result.response is Response.UNAVAILABLE


def test_a_certificate_must_be_trusted(send: Send, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    trusted = ssl.create_default_context(cafile=authority.certificate)
    with scripted_server(answer(204), answer(204), tls=context) as receiver:
        url = f"https://localhost:{receiver.port}/"
        refused, accepted = send(url), send(url, tls=trusted)

    assert refused.response is Response.UNAVAILABLE
    assert "its certificate is not trusted" in refused.detail
    assert accepted.response is Response.ACCEPTED


ELSEWHERE = {
    "loopback": ("http://127.0.0.1:{port}/", "webhooks.loopback"),
    "loopback by name": ("http://localhost:{port}/", "webhooks.loopback"),
    "loopback as a number": ("http://2130706433:{port}/", "webhooks.loopback"),
    "loopback within IPv6": ("http://[::ffff:127.0.0.1]:{port}/", "webhooks.loopback"),
    "a private network": ("http://10.0.0.1:{port}/", "webhooks.private_networks"),
    "a metadata service": ("http://169.254.169.254:{port}/", "always refused"),
}


@pytest.mark.parametrize(("url", "want"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_no_connection_leads_where_it_may_not(url: str, want: str, send: Send) -> None:
    with scripted_server(answer(204)) as inner:
        result = send(url.format(port=inner.port), policy=SHUT)

    assert inner.connections == 0
    assert result.response is Response.FORBIDDEN
    assert want in result.detail
    assert "webhooks.allowed_networks" in result.detail


def test_the_operator_can_open_a_network(send: Send) -> None:
    policy = EgressPolicy(
        section="webhooks", loopback=False, allowed=(ip_network("127.0.0.1"),)
    )
    with scripted_server(answer(204)) as inner:
        assert send(inner.url, policy=policy).response is Response.ACCEPTED


def test_who_is_not_there_is_unavailable(send: Send) -> None:
    with closed_port() as port:
        refused = send(f"http://127.0.0.1:{port}/")
    unknown = send("http://nothing.invalid/")

    assert refused == SendResult(
        response=Response.UNAVAILABLE, detail="refuses connections"
    )
    assert unknown.response is Response.UNAVAILABLE
    assert "resolved" in unknown.detail


def test_a_secret_that_is_gone_sends_nothing(send: Send, tmp_path: Path) -> None:
    (tmp_path / "key").unlink()

    with scripted_server(answer(204)) as receiver:
        result = send(receiver.url)

    assert receiver.requests == []
    assert result.response is Response.UNAVAILABLE
    assert 'the secret "key" cannot be read' in result.detail


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
