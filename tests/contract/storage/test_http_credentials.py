"""Whether a file of http was read with another credential than that of its url."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from contract.storage.places import Place, http_storage
from servers.http import Fault, HttpFiles, http_server
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import BearerToken, Credential
from tesk_filer.ports.readers import Redirects
from tesk_model.locations import Location

TIMEOUTS = Timeouts(connect=timedelta(seconds=20), stall=timedelta(seconds=20))
TOKEN = BearerToken(token="t0ken")


@dataclass(frozen=True)
class TokensBy:
    """Tokens by the beginning of a path, of any server."""

    tokens: Mapping[str, BearerToken] = field(default_factory=dict)

    def find(self, location: Location) -> Credential | None:
        for beginning, token in self.tokens.items():
            if location.path.startswith(beginning):
                return token
        return None


@pytest.fixture
def server() -> Iterator[HttpFiles]:
    with http_server() as files:
        for path in ("/a", "/private/a", "/login"):
            files.files[path] = b"content"
        yield files


def private(place: Place, path: str) -> tuple[bool, bool]:
    """Return what the status and the open file say."""
    found = place.stat(place.url + path)
    assert found is not None
    with place.open(place.url + path) as reader:
        assert isinstance(reader, Redirects)
        return found.is_private, reader.is_private


def place_at(server: HttpFiles, **tokens: BearerToken) -> Place:
    """Return the server for an owner with ``tokens`` for folders."""
    by_path = {f"/{name}": token for name, token in tokens.items()}
    return Place(http_storage(TIMEOUTS, credentials=TokensBy(by_path)), server.url)


def leads_to(server: HttpFiles, *targets: str) -> list[Fault]:
    return [Fault(status=302, location=server.url + target) for target in targets]


def test_a_file_that_is_read_by_its_own_credential_or_none_is_not_private(
    server: HttpFiles,
) -> None:
    place = place_at(server, private=TOKEN)
    server.faults["/login"] = leads_to(server, "/a", "/a")

    assert private(place, "/a") == (False, False)
    assert private(place, "/private/a") == (False, False)
    assert private(place, "/login") == (False, False)


def test_a_file_to_which_a_credential_is_sent_on_the_way_is_private(
    server: HttpFiles,
) -> None:
    place = place_at(server, private=TOKEN)
    server.faults["/a"] = leads_to(server, "/private/a", "/private/a")

    assert private(place, "/a") == (True, True)


def test_the_status_and_the_file_may_be_told_by_different_ways(
    server: HttpFiles,
) -> None:
    place = place_at(server, private=TOKEN)
    server.faults["/a"] = [Fault(), *leads_to(server, "/private/a")]

    assert private(place, "/a") == (False, True)


def test_a_file_that_is_read_after_a_login_elsewhere_is_private(
    server: HttpFiles,
) -> None:
    place = place_at(server, login=TOKEN)
    server.faults["/a"] = leads_to(server, "/login")
    server.faults["/login"] = leads_to(server, "/a")

    assert private(place, "/a") == (True, False)


@pytest.mark.parametrize("path", ["/private/a", "/a?signature=x", "/a"])
def test_a_session_that_a_credential_began_is_as_private(
    server: HttpFiles, path: str
) -> None:
    place = place_at(server, private=TOKEN)
    session = {"Set-Cookie": "session=abc; Path=/"}
    server.headers.update(session)

    place.get(place.url + path)

    assert private(place, "/a")[0] is (path != "/a")
