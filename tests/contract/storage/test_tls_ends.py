"""Bodies of HTTP that only the end of the connection ends, by TLS.

Anybody on the way can end a connection of TCP; only the server can say in TLS that it
has sent everything (close_notify; RFC 9112, 9.8).
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from contract.storage.places import Place, http_storage
from files.certificates import Authority
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.rest import Request, RestClient
from tesk_filer.adapters.storage.storage_config import HttpOptions, Timeouts
from tesk_filer.ports import StorageError

TIMEOUTS = Timeouts(connect=timedelta(seconds=5), stall=timedelta(seconds=5))
ENDLESS = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"
Get = Callable[[str], bytes]


@contextmanager
def by_storage(authority: Authority) -> Iterator[Get]:
    """Give a function that gets a url as the storage of https does."""
    options = HttpOptions(authorities=str(authority.certificate))
    storage = http_storage(TIMEOUTS, options=options)
    yield lambda url: Place(storage, url).get(url)
    storage.close()


@contextmanager
def by_pool(authority: Authority) -> Iterator[Get]:
    """Give a function that gets a url as the clouds' storages do."""
    environ = {"SSL_CERT_FILE": str(authority.certificate)}
    client = RestClient(HttpPool(timeouts=TIMEOUTS, size=2, environ=environ))
    yield lambda url: client.send(Request(method="GET", url=url)).read_document()
    client.close()


CLIENTS = {"of https": by_storage, "of the clouds": by_pool}


@pytest.fixture(params=list(CLIENTS.values()), ids=list(CLIENTS))
def get(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Get]:
    with request.param(authority) as found:
        yield found


@contextmanager
def served(
    authority: Authority, content: bytes, *, tells_end: bool
) -> Iterator[tuple[Script, str]]:
    """Serve ``content`` by TLS, and no size of it; give the server and its url."""
    issued = authority.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    with scripted_server(content, answer(405), tls=tls, tells_end=tells_end) as script:
        yield script, f"https://localhost:{script.port}/a"


def test_a_body_without_length_ends_where_tls_says_so(
    get: Get, authority: Authority
) -> None:
    with served(authority, ENDLESS, tells_end=True) as (_, url):
        assert get(url) == b"abc"


def test_a_body_without_length_that_tls_does_not_end_was_cut(
    get: Get, authority: Authority
) -> None:
    with served(authority, ENDLESS, tells_end=False) as (_, url):
        with pytest.raises(StorageError, match="the connection broke") as caught:
            get(url)

        assert caught.value.transient


def test_a_body_of_known_length_needs_no_end_of_tls(
    get: Get, authority: Authority
) -> None:
    content = answer(200, b"abc", connection="close")
    with served(authority, content, tells_end=False) as (_, url):
        assert get(url) == b"abc"
