"""Redirects, however they go, bring no credential to another host or port."""

import base64
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.http import Fault, HttpFiles, http_server
from tesk_filer.adapters.storage.http import open_storage
from tesk_filer.config import Settings
from tesk_filer.domain.credential_table import (
    CredentialEntry,
    CredentialTable,
    TaskOwner,
    prefix_of,
)
from tesk_filer.domain.credentials import BearerToken, Credential, Login
from tesk_filer.wiring import storage_config
from tesk_model.locations import Location, parse_location

HOSTS = ("127.0.0.1", "localhost")
"""Two names of each server, which are two hosts."""


@dataclass(frozen=True)
class TableCredentials:
    """Credentials of a table alone; satisfies ``ports.Credentials``."""

    table: CredentialTable

    def find(self, location: Location) -> Credential | None:
        return self.table.find(location, TaskOwner())


@dataclass(frozen=True)
class Hop:
    """Where a request is sent.

    Attributes:
        server: Number of the server.
        has_login: The url has user and password.
    """

    server: int
    host: str
    has_login: bool
    status: int


@dataclass
class Web:
    """Two servers, and paths that were not used before."""

    servers: tuple[HttpFiles, ...]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def origin(self, server: int, host: str) -> str:
        """Return the beginning of urls of a server by one of its names."""
        return self.servers[server].url.replace("127.0.0.1", host)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with http_server() as first, http_server() as second:
        yield Web((first, second))


def mark(origin: str) -> str:
    """Return what stands in each secret that is for an origin."""
    return "for-" + origin.partition("://")[2].replace(":", "-")


def entries_of(web: Web, drawn: Mapping[tuple[int, str], str]) -> list[CredentialEntry]:
    """Return an entry for each origin that has a kind of credential."""
    entries = []
    for (server, host), kind in drawn.items():
        origin = web.origin(server, host)
        secret = f"{mark(origin)}-by-{kind}"
        credential: Credential = (
            BearerToken(token=secret)
            if kind == "token"
            else Login(user="ada", password=secret)
        )
        prefix = prefix_of(parse_location(origin))
        entries.append(CredentialEntry(prefix=prefix, credential=credential))
    return entries


def secret_of(authorization: str) -> str:
    """Return the password or token of a header."""
    kind, _, value = authorization.partition(" ")
    if kind == "Basic":
        return base64.b64decode(value).decode().partition(":")[2]
    return value


PLACES = st.tuples(st.sampled_from([0, 1]), st.sampled_from(HOSTS))
HOPS = st.builds(
    Hop,
    st.sampled_from([0, 1]),
    st.sampled_from(HOSTS),
    st.booleans(),
    st.sampled_from([301, 302, 303, 307, 308]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(PLACES, st.sampled_from(["login", "token"])),
    st.lists(HOPS, min_size=1, max_size=5),
)
def test_each_host_and_port_gets_what_is_for_it_alone(
    web: Web, drawn: dict[tuple[int, str], str], hops: list[Hop]
) -> None:
    number = next(web.numbers)
    urls = []
    for position, hop in enumerate(hops):
        origin = web.origin(hop.server, hop.host)
        login = f"ada:{mark(origin)}-by-url@" if hop.has_login else ""
        urls.append(f"{origin}/{number}/{position}".replace("://", f"://{login}"))
    for position, hop in enumerate(hops[:-1]):
        fault = Fault(status=hop.status, location=urls[position + 1])
        web.servers[hop.server].faults[f"/{number}/{position}"] = [fault] * 9
    web.servers[hops[-1].server].files[f"/{number}/{len(hops) - 1}"] = b"content"
    for server in web.servers:
        server.requests.clear()
        server.authorizations.clear()
    credentials = TableCredentials(CredentialTable(entries_of(web, drawn)))
    storage = open_storage(storage_config(Settings(), credentials, {}))

    with storage.open(parse_location(urls[0])) as reader:
        assert reader.read(100) == b"content"
    storage.close()

    for index, server in enumerate(web.servers):
        for (_, path), heard in zip(
            server.requests, server.authorizations, strict=True
        ):
            hop = hops[int(path.rpartition("/")[2])]
            assert hop.server == index
            wanted = mark(web.origin(hop.server, hop.host))
            secret = secret_of(heard)
            assert secret == "" or secret.startswith(f"{wanted}-by-")
            if hop.has_login:
                assert secret == f"{wanted}-by-url"
            elif kind := drawn.get((hop.server, hop.host)):
                assert secret == f"{wanted}-by-{kind}"
