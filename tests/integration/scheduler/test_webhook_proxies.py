"""Events leave by the proxy that the environment names, and no guard is lost by that."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from files.certificates import Authority
from programs.ports import free_port
from schedulers.webhook_sending import (
    BODY,
    SHORT,
    SHUT,
    Sending,
    keep_secrets,
)
from servers.http_proxy import HttpProxyServer, http_proxy
from servers.scripted import Script, answer, scripted_server
from servers.trickle import trickling_server
from tesk_scheduler.adapters.webhooks.signing import SecretFiles
from tesk_scheduler.domain.webhooks.deliveries import Response, SendResult

# It resolves nowhere but at the proxy.
HOST = "receiver.invalid"
ACCEPTED = SendResult(response=Response.ACCEPTED)


@pytest.fixture
def secrets(tmp_path: Path) -> SecretFiles:
    return keep_secrets(tmp_path)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def proxy() -> Iterator[HttpProxyServer]:
    with http_proxy() as proxy:
        yield proxy


def served_by(authority: Authority, host: str) -> ssl.SSLContext:
    issued = authority.issue(host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    return context


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.certificate)


def test_an_event_by_https_passes_through_a_tunnel(
    secrets: SecretFiles, authority: Authority, proxy: HttpProxyServer
) -> None:
    login = proxy.url.replace("://", "://ada:p%40ss@")
    send = Sending(
        secrets=secrets,
        environ={"HTTPS_PROXY": login},
        tls=trusting(authority),
        policy=SHUT,
    )
    with scripted_server(answer(204), tls=served_by(authority, HOST)) as receiver:
        result = send(f"https://{HOST}:{receiver.port}/hook?token=s3cr3t")

    assert result == ACCEPTED
    assert receiver.bodies == [BODY]
    assert receiver.requests[0].startswith("POST /hook?token=s3cr3t HTTP/1.1\r\n")
    assert "proxy-authorization" not in receiver.requests[0].lower()
    (tunnel,) = proxy.requests
    assert tunnel.startswith(f"CONNECT {HOST}:{receiver.port} HTTP/1.1\r\n")
    assert "proxy-authorization: Basic YWRhOnBAc3M=" in tunnel
    assert "s3cr3t" not in tunnel


def test_a_proxy_may_be_spoken_to_by_tls(
    secrets: SecretFiles, authority: Authority
) -> None:
    with (
        http_proxy(served_by(authority, "localhost")) as proxy,
        scripted_server(answer(204), tls=served_by(authority, HOST)) as receiver,
    ):
        send = Sending(
            secrets=secrets,
            environ={"https_proxy": proxy.url},
            tls=trusting(authority),
        )
        assert send(f"https://{HOST}:{receiver.port}/") == ACCEPTED

    assert receiver.bodies == [BODY]
    assert len(proxy.requests) == 1


def test_an_event_by_http_is_given_to_the_proxy(
    secrets: SecretFiles, proxy: HttpProxyServer
) -> None:
    environ = {"http_proxy": proxy.url.replace("://", "://ada:p@")}
    with scripted_server(answer(204)) as receiver:
        url = f"http://{HOST}:{receiver.port}/a%20b?c=d"
        result = Sending(secrets=secrets, environ=environ, policy=SHUT)(url)

    assert result == ACCEPTED
    assert receiver.bodies == [BODY]
    assert proxy.requests[0].startswith(f"POST {url} HTTP/1.1\r\n")
    assert f"host: {HOST}:{receiver.port}\r\n" in proxy.requests[0].lower()
    assert "proxy-authorization: Basic YWRhOnA=" in proxy.requests[0]


def test_the_guard_holds_where_no_proxy_is_used(
    secrets: SecretFiles, proxy: HttpProxyServer
) -> None:
    environ = {"http_proxy": proxy.url, "no_proxy": "localhost,127.0.0.0/8"}
    with scripted_server(answer(204)) as inner:
        url = f"http://localhost:{inner.port}/"
        refused = Sending(secrets=secrets, environ=environ, policy=SHUT)(url)
        accepted = Sending(secrets=secrets, environ=environ)(url)

    assert refused.response is Response.FORBIDDEN
    assert "webhooks.loopback refuses" in refused.detail
    assert accepted == ACCEPTED
    assert proxy.requests == []


GUARDED = {
    "an address of loopback": ("127.0.0.1", "webhooks.loopback"),
    "loopback as a number": ("2130706433", "webhooks.loopback"),
    "loopback within IPv6": ("[::ffff:127.0.0.1]", "webhooks.loopback"),
    "the name of loopback": ("localhost", "webhooks.loopback"),
    "a private address": ("10.0.0.1", "webhooks.private_networks"),
    "a metadata service": ("169.254.169.254", "always refused"),
    "the name of a metadata service": ("metadata.google.internal", "always refused"),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("host", "want"), GUARDED.values(), ids=GUARDED)
def test_what_may_not_be_reached_is_not_given_to_a_proxy(
    secrets: SecretFiles, proxy: HttpProxyServer, host: str, want: str, scheme: str
) -> None:
    send = Sending(secrets=secrets, environ={"all_proxy": proxy.url}, policy=SHUT)

    result = send(f"{scheme}://{host}:8443/")

    assert result.response is Response.FORBIDDEN
    assert want in result.detail
    assert proxy.requests == []


REFUSALS = {
    "a receiver that it does not allow": (403, "does not connect to it: answered 403"),
    "a receiver that it does not reach": (502, "does not connect to it: answered 502"),
    "who does not log in": (407, "answered 407; it wants user and password"),
}


@pytest.mark.parametrize(("status", "want"), REFUSALS.values(), ids=REFUSALS)
def test_a_proxy_may_refuse(
    secrets: SecretFiles, proxy: HttpProxyServer, status: int, want: str
) -> None:
    proxy.status = status
    send = Sending(secrets=secrets, environ={"https_proxy": proxy.url})

    result = send(f"https://{HOST}/s3cr3t")

    assert result.response is Response.UNAVAILABLE
    assert want in result.detail
    assert "s3cr3t" not in result.detail


def test_a_proxy_that_wants_a_login_for_http_is_named(
    secrets: SecretFiles, proxy: HttpProxyServer
) -> None:
    proxy.status = 407

    result = Sending(secrets=secrets, environ={"http_proxy": proxy.url})(
        f"http://{HOST}/"
    )

    assert result.response is Response.UNAVAILABLE
    assert "the proxy (HTTP_PROXY) wants user and password" in result.detail


BROKEN: dict[str, tuple[Callable[[], AbstractContextManager[Script | int]], str]] = {
    "closes": (lambda: scripted_server(b""), "closed the connection without an"),
    "is no proxy": (lambda: scripted_server(b"hello\r\n\r\n"), "does not speak HTTP"),
    "never ends its answer": (
        lambda: trickling_server(b"HTTP/1.1 200 OK\r\nx: "),
        "did not answer within 0.5 s",
    ),
}


@pytest.mark.parametrize(("serve", "want"), BROKEN.values(), ids=BROKEN)
def test_a_proxy_that_fails_is_named(
    secrets: SecretFiles,
    serve: Callable[[], AbstractContextManager[Script | int]],
    want: str,
) -> None:
    with serve() as server:
        port = server.port if isinstance(server, Script) else server
        environ = {"https_proxy": f"http://ada:s3cr3t@127.0.0.1:{port}"}
        send = Sending(secrets=secrets, environ=environ, timeout=SHORT)
        result = send(f"https://{HOST}/")

    assert result.response is Response.UNAVAILABLE
    assert f"the proxy (HTTP_PROXY, HTTPS_PROXY): {want}" in result.detail
    assert "s3cr3t" not in result.detail


AWAY = {
    "refuses connections": ("http://127.0.0.1:{port}", "refuses connections"),
    "has no address": ("http://proxy.invalid:3128", "its name cannot be resolved"),
}


@pytest.mark.parametrize(("proxy", "want"), AWAY.values(), ids=AWAY)
def test_a_proxy_that_is_not_there_is_named(
    secrets: SecretFiles, proxy: str, want: str
) -> None:
    environ = {"https_proxy": proxy.format(port=free_port())}

    result = Sending(secrets=secrets, environ=environ)(f"https://{HOST}/")

    assert result.response is Response.UNAVAILABLE
    assert result.detail == f"the proxy (HTTP_PROXY, HTTPS_PROXY): {want}"


def test_a_setting_that_names_no_proxy_is_told(secrets: SecretFiles) -> None:
    send = Sending(secrets=secrets, environ={"https_proxy": "socks5://p:1"})

    result = send(f"https://{HOST}/")

    assert result.response is Response.UNAVAILABLE
    assert "its proxy is of a kind that is not supported" in result.detail
