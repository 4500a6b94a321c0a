"""Directories of http, by their index pages."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from contract.storage.places import Place, http_storage
from servers.http import Fault, HttpFiles, http_server
from tesk_filer.adapters.storage.storage_config import HttpOptions, Timeouts
from tesk_filer.ports import StorageError
from tesk_model.url_lists import parse_url_patterns

TIMEOUTS = Timeouts(connect=timedelta(seconds=20), stall=timedelta(seconds=20))
HTML = {"Content-Type": "text/html;charset=UTF-8"}


@pytest.fixture
def server() -> Iterator[HttpFiles]:
    with http_server() as files:
        files.headers.update(HTML)
        yield files


@pytest.fixture
def web(server: HttpFiles) -> Place:
    options = HttpOptions(index_pages=parse_url_patterns([server.url + "/pub"], "a"))
    return Place(http_storage(TIMEOUTS, options=options), server.url + "/pub")


def page(*links: str) -> bytes:
    return "".join(f'<a href="{each}">{each}</a>' for each in links).encode()


def test_a_directory_is_listed_with_all_below_it(web: Place, server: HttpFiles) -> None:
    server.files["/pub/"] = page("../", "?C=N", "a%20b", "sub/", "empty/")
    server.files["/pub/sub/"] = page("../", "c", "deeper/")
    server.files["/pub/sub/deeper/"] = page("d")
    server.files["/pub/empty/"] = page("../")
    server.files["/pub/a b"] = b"content"

    entries = web.walk(web.url)

    assert [(each.name, each.is_directory) for each in entries] == [
        ("a b", False),
        ("empty", True),
        ("sub/c", False),
        ("sub/deeper/d", False),
    ]
    assert web.get(web.at("a b")) == b"content"
    assert [each.size for each in entries] == [None] * 4


def test_each_page_is_one_directory_with_its_depth(
    web: Place, server: HttpFiles
) -> None:
    server.files["/pub/"] = page("sub/")
    server.files["/pub/sub/"] = page("deeper/")
    server.files["/pub/sub/deeper/"] = page("d")

    pages = list(web.pages(web.url))

    assert [each.depth for each in pages] == [0, 1, 2]
    assert len({each.directory for each in pages}) == 3


def test_elsewhere_nothing_is_listed_and_the_error_names_the_setting(
    web: Place, server: HttpFiles
) -> None:
    with pytest.raises(StorageError, match=r"urls\.index_pages") as caught:
        web.list(server.url + "/other")

    assert not caught.value.transient
    assert server.requests == []


NO_INDEX = {
    "a file": (Fault(headers={"Content-Type": "text/plain"}), "input type FILE"),
    "nothing": (Fault(status=404), "does not exist"),
    "a page elsewhere": (Fault(status=302, location="/pub/other/"), "is elsewhere"),
}


@pytest.mark.parametrize(("fault", "text"), NO_INDEX.values(), ids=NO_INDEX)
def test_what_is_no_index_page_fails_for_good(
    web: Place, server: HttpFiles, fault: Fault, text: str
) -> None:
    server.files["/pub/"] = server.files["/pub/other/"] = page("a")
    server.faults["/pub/"] = [fault]

    with pytest.raises(StorageError, match=text) as caught:
        web.list(web.url)

    assert not caught.value.transient


def test_a_folder_whose_page_is_no_index_page_is_not_taken_for_an_empty_one(
    web: Place, server: HttpFiles
) -> None:
    server.files["/pub/"] = page("a", "sub/")
    server.files["/pub/sub/"] = b"<h1>We are down for maintenance</h1>"

    with pytest.raises(StorageError, match="nor a sign of an index page"):
        web.walk(web.url)


def test_a_page_without_end_is_given_up(web: Place, server: HttpFiles) -> None:
    server.files["/pub/"] = page("a") * 2_000_000

    with pytest.raises(StorageError, match="sends more than 16,777,216 bytes"):
        web.list(web.url)
