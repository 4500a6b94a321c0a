"""What the operator's lists say of urls by https that htsget and drs ask for."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from contract.storage.places import Place
from files.certificates import Authority
from servers.http import HttpFiles
from servers.secure_http import secure_http_server, trusting
from tesk_filer.adapters.storage import drs, htsget
from tesk_filer.ports import Storage, StorageError
from tesk_model.locations import Location
from tesk_model.url_lists import parse_url_lists

OBJECTS = "/ga4gh/drs/v1/objects/"
TICKET = "/reads/a"


@dataclass(frozen=True)
class Tickets:
    """Satisfies ``Storages``: all urls are of htsget."""

    storage: Storage

    def of(self, location: Location) -> Storage:
        assert location.scheme == "htsget"
        return self.storage


@pytest.fixture
def server(authority: Authority) -> Iterator[HttpFiles]:
    """Serve an object of drs whose bytes, by its access document, are a ticket's."""
    with secure_http_server(authority) as files:
        documents = {
            TICKET: {"htsget": {"urls": [{"url": "data:,content"}]}},
            OBJECTS + "a": {"access_methods": [{"type": "htsget", "access_id": "1"}]},
            OBJECTS + "a/access/1": {"url": f"htsget{files.url[5:]}{TICKET}"},
        }
        for path, document in documents.items():
            files.files[path] = json.dumps(document).encode()
        yield files


Lists = tuple[tuple[str, ...], tuple[str, ...]]
Read = Callable[[str, Lists], bytes]


@pytest.fixture
def read(server: HttpFiles, authority: Authority) -> Read:
    """Read a url below the server, by the scheme, with lists of the operator."""

    def read(url: str, lists: Lists) -> bytes:
        config = trusting(authority.certificate, urls=parse_url_lists(*lists))
        scheme, _, path = url.partition(":")
        with (
            closing(htsget.open_storage(config)) as tickets,
            closing(drs.open_resolver(config, Tickets(tickets))) as objects,
        ):
            storage = tickets if scheme == "htsget" else objects
            return Place(storage, "").get(f"{scheme}{server.url[5:]}{path}")

    return read


REFUSED = {
    "the server of a ticket": ("htsget:/reads/a", "https://localhost", []),
    "the path of a ticket": ("htsget:/reads/a", "https://localhost/reads", []),
    "all that is asked for by https": ("htsget:/reads/a", "https://", []),
    "a ticket with a path that climbs": ("htsget:/reads/%2e%2e/a", "https://x.org", []),
    "the server of an object": ("drs:/a", "https://localhost", []),
    "its access document": (
        "drs:/a",
        f"https://localhost{OBJECTS}a/access",
        [OBJECTS + "a"],
    ),
    "the ticket that it leads to": (
        "drs:/a",
        f"https://localhost{TICKET}",
        [OBJECTS + "a", OBJECTS + "a/access/1"],
    ),
}


@pytest.mark.parametrize(("url", "denied", "asked"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_not_asked_for(
    read: Read, server: HttpFiles, url: str, denied: str, asked: list[str]
) -> None:
    with pytest.raises(StorageError, match="is refused here") as caught:
        read(url, ((), (denied,)))

    assert not caught.value.transient
    assert [path for _, path in server.requests] == asked


MAY_BE_ASKED: dict[str, tuple[str, Lists]] = {
    "what is allowed by its own scheme": ("htsget:/reads/a", (("htsget://",), ())),
    "an object of that": ("drs:/a", (("htsget://", "drs://localhost"), ())),
    "what another refusal is of": ("drs:/a", ((), ("https://localhost/reads/b",))),
    "an exception from a refusal": (
        "htsget:/reads/a",
        (("htsget://", "https://localhost/reads"), ("https://localhost",)),
    ),
}


@pytest.mark.parametrize(("url", "lists"), MAY_BE_ASKED.values(), ids=MAY_BE_ASKED)
def test_what_is_not_refused_need_not_be_listed(
    read: Read, url: str, lists: Lists
) -> None:
    assert read(url, lists) == b"content"
