"""HDFS: redirects, users, tokens, changes, errors."""

from collections.abc import Iterator, Mapping

import pytest
import smart_open

from contract.storage.clouds import open_webhdfs
from contract.storage.places import TAG, Place
from servers.webhdfs import HdfsFiles, webhdfs_server
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.temporary_names import temporary_name
from tesk_filer.domain.credentials import BearerToken, Credential, Login
from tesk_filer.ports import ChangedError, HaltedError, Stat, StorageError
from tesk_model.url_lists import parse_url_lists
from tesk_runtime.egress.policy import EgressPolicy


@pytest.fixture
def server() -> Iterator[HdfsFiles]:
    with webhdfs_server() as files:
        yield files


@pytest.fixture
def hdfs(server: HdfsFiles) -> Iterator[Place]:
    storage = open_webhdfs()
    yield Place(storage, f"{server.url}/base")
    storage.close()


def test_the_bytes_go_to_the_datanode_alone(hdfs: Place, server: HdfsFiles) -> None:
    hdfs.put(hdfs.at("d/a"), b"content")
    assert hdfs.get(hdfs.at("d/a")) == b"content"

    at_datanode = [each[2] for each in server.requests if each[0] == "datanode"]
    assert at_datanode == ["CREATE", "OPEN"]


def test_a_file_has_its_name_when_it_is_complete(
    hdfs: Place, server: HdfsFiles
) -> None:
    hdfs.put(hdfs.at("a"), b"before")
    server.faults["RENAME"] = [(500, "IOException")]

    with pytest.raises(StorageError) as caught:
        hdfs.put(hdfs.at("a"), b"after")

    assert caught.value.transient
    assert hdfs.get(hdfs.at("a")) == b"before"
    assert server.children("/base") == ["a"]


@pytest.mark.parametrize("overwrites", [True, False], ids=["webhdfs", "httpfs"])
def test_a_file_does_not_end_in_a_directory_of_its_name(
    hdfs: Place, server: HdfsFiles, *, overwrites: bool
) -> None:
    server.overwrites = overwrites
    server.put("/base/a", None)

    with pytest.raises(StorageError, match="is a directory; end the url") as caught:
        hdfs.put(hdfs.at("a"), b"content")

    assert not caught.value.transient
    assert server.children("/base") == ["a"]
    assert server.children("/base/a") == []


def test_what_an_earlier_try_left_in_a_directory_is_removed(
    hdfs: Place, server: HdfsFiles
) -> None:
    server.overwrites = False
    server.put(f"/base/a/{temporary_name('a', TAG)}", b"content")

    with pytest.raises(StorageError, match="is a directory; end the url"):
        hdfs.put(hdfs.at("a"), b"content")

    assert server.children("/base") == ["a"]
    assert server.children("/base/a") == []


def test_an_upload_that_is_stopped_leaves_nothing(
    hdfs: Place, server: HdfsFiles
) -> None:
    moved: list[int] = []

    def halt(size: int) -> None:
        moved.append(size)
        if len(moved) > 2:
            raise HaltedError

    with pytest.raises(HaltedError):
        hdfs.put(hdfs.at("a"), bytes(1_000_000), advance=halt)

    assert server.children("/base") == []


USERS = {
    "of the url": ("ada@", None, "", ("ada", "")),
    "of the operator's credentials": (
        "",
        Login(user="bob", password=""),
        "",
        ("bob", ""),
    ),
    "of the setting": ("", None, "eve", ("eve", "")),
    "of the server": ("", None, "", ("dr.who", "")),
    "of a token": ("", BearerToken(token="t0ken"), "eve", ("dr.who", "t0ken")),
}


@pytest.mark.parametrize(
    ("login", "known", "setting", "wanted"), USERS.values(), ids=USERS
)
def test_the_user_is_that(
    server: HdfsFiles,
    login: str,
    known: Credential | None,
    setting: str,
    wanted: tuple[str, str],
) -> None:
    storage = open_webhdfs(known, user=setting)

    Place(storage, "").put(server.url.replace("://", f"://{login}") + "/a", b"x")

    assert set(zip(server.users, server.tokens, strict=True)) == {wanted}
    storage.close()


def test_a_password_is_not_sent_to_the_datanode(server: HdfsFiles) -> None:
    storage = open_webhdfs(Login(user="ada", password="s3cr3t"))

    Place(storage, "").put(f"{server.url}/a", b"x")

    assert set(server.authorizations) == {""}
    storage.close()


def test_hdfs_urls_lead_to_the_port_of_webhdfs(server: HdfsFiles) -> None:
    host, _, port = server.url.removeprefix("webhdfs://").partition(":")
    storage = open_webhdfs(port=int(port))
    place = Place(storage, "")

    place.put(f"hdfs://{host}:8020/a%20b", b"x")

    assert list(server.files) == ["/a%20b"]
    assert place.get(f"hdfs://{host}/a%20b") == b"x"
    storage.close()


def test_a_datanode_at_a_forbidden_address_is_not_reached(server: HdfsFiles) -> None:
    server.datanode = "169.254.169.254"
    storage = open_webhdfs(egress=Egress(EgressPolicy(section="filer")))

    with pytest.raises(StorageError, match="always refused") as caught:
        Place(storage, "").put(f"{server.url}/a", b"x")

    assert not caught.value.transient
    storage.close()


@pytest.mark.parametrize("lists", ["allow", "deny"])
def test_a_datanode_that_the_operators_lists_refuse_is_not_reached(
    server: HdfsFiles, lists: str
) -> None:
    patterns = {
        "allow": parse_url_lists((server.url,), ()),
        "deny": parse_url_lists((), (f"http://{server.datanode}/webhdfs",)),
    }
    egress = Egress(EgressPolicy(section="filer"), urls=patterns[lists])
    storage = open_webhdfs(egress=egress)

    with pytest.raises(StorageError, match=rf"urls\.{lists}") as caught:
        Place(storage, "").put(f"{server.url}/a", b"x")

    assert not caught.value.transient
    assert [each for each in server.requests if each[0] == "datanode"] == []
    storage.close()


def test_the_operators_lists_can_name_the_datanodes(server: HdfsFiles) -> None:
    allowed = (server.url, f"http://{server.datanode}/webhdfs/v1")
    urls = parse_url_lists(allowed, ())
    storage = open_webhdfs(egress=Egress(EgressPolicy(section="filer"), urls=urls))
    place = Place(storage, "")

    place.put(f"{server.url}/a", b"x")

    assert place.get(f"{server.url}/a") == b"x"
    storage.close()


def test_each_directory_is_told_once_with_its_depth(
    hdfs: Place, server: HdfsFiles
) -> None:
    for number in range(3):
        server.put(f"/base/a/b/{number}", b"x")

    pages = hdfs.pages(hdfs.url)

    # That of two pages is told by its first one.
    found = [(each.directory, each.depth) for each in pages]
    assert found == [("/base", 0), ("/base/a", 1), ("/base/a/b", 2), ("", 2)]


@pytest.mark.parametrize(
    "listing",
    [
        {"DirectoryListing": [1]},
        {"DirectoryListing": {"partialListing": 1}},
        {"DirectoryListing": 1},
    ],
)
def test_a_listing_that_is_none_is_refused(
    hdfs: Place, server: HdfsFiles, listing: Mapping[str, object]
) -> None:
    server.put("/base/a", b"x")
    server.listing = listing

    with pytest.raises(StorageError, match="does not answer as WebHDFS"):
        list(hdfs.pages(hdfs.url))


def test_a_file_that_changes_while_it_is_read_is_no_input(
    hdfs: Place, server: HdfsFiles
) -> None:
    hdfs.put(hdfs.at("a"), b"content")
    server.change_after_open = "/base/a"

    with pytest.raises(ChangedError):
        hdfs.get(hdfs.at("a"))


def test_a_file_that_became_shorter_has_changed(hdfs: Place) -> None:
    hdfs.put(hdfs.at("a"), b"0123456789")
    known = hdfs.stat(hdfs.at("a"))
    hdfs.put(hdfs.at("a"), b"01")

    with pytest.raises(ChangedError):
        hdfs.get(hdfs.at("a"), known=known)


def test_a_connection_that_is_cut_is_an_error_that_may_pass(
    hdfs: Place, server: HdfsFiles
) -> None:
    hdfs.put(hdfs.at("a"), bytes(100_000))
    server.cut_at = 5000

    with pytest.raises(StorageError) as caught:
        hdfs.get(hdfs.at("a"))

    assert caught.value.transient


def test_links_are_left_out_with_a_note(hdfs: Place, server: HdfsFiles) -> None:
    hdfs.put(hdfs.at("a"), b"x")
    server.put("/base/link", b"", "SYMLINK")

    [page] = hdfs.pages(hdfs.url)

    assert [entry.name for entry in page.entries] == ["a"]
    assert page.notes == ["link is not a regular file, left out"]


def test_a_directory_is_listed_in_pages(hdfs: Place, server: HdfsFiles) -> None:
    names = [f"{number}" for number in range(5)]
    for name in names:
        hdfs.put(hdfs.at(name), b"x")
    server.requests.clear()

    assert [entry.name for entry in hdfs.walk(hdfs.url)] == names
    assert [each[2] for each in server.requests] == ["LISTSTATUS_BATCH"] * 3


ERRORS = {
    "on standby": (403, "StandbyException", "is on standby", True),
    "in safe mode": (403, "SafeModeException", "safe mode", True),
    "not allowed": (403, "AccessControlException", "access denied", False),
    "not logged in": (401, "", "access denied", False),
    "no space": (403, "DSQuotaExceededException", "space quota", False),
    "a failure": (500, "NullPointerException", "HDFS refuses", True),
    "busy": (503, "", "HDFS refuses", True),
    "no WebHDFS": (404, "", "WebHDFS is not there", False),
}


@pytest.mark.parametrize(
    ("status", "code", "message", "transient"), ERRORS.values(), ids=ERRORS
)
def test_errors_are_told_as_lasting_or_passing(
    hdfs: Place,
    server: HdfsFiles,
    status: int,
    code: str,
    message: str,
    *,
    transient: bool,
) -> None:
    server.faults["CREATE"] = [(status, code)]

    with pytest.raises(StorageError, match=message) as caught:
        hdfs.put(hdfs.at("a"), b"x")

    assert caught.value.transient is transient
    assert "/base" not in caught.value.message


def test_smart_open_is_content_with_the_server(server: HdfsFiles) -> None:
    with smart_open.open(f"{server.url}/d/a", "wb") as file:
        file.write(b"content")

    with smart_open.open(f"{server.url}/d/a", "rb") as file:
        assert file.read() == b"content"
    assert server.files["/d/a"].content == b"content"


def test_a_status_tells_time_and_length(hdfs: Place) -> None:
    hdfs.put(hdfs.at("a"), b"one")
    before = hdfs.stat(hdfs.at("a"))
    hdfs.put(hdfs.at("a"), b"two")
    after = hdfs.stat(hdfs.at("a"))

    assert isinstance(before, Stat)
    assert isinstance(after, Stat)
    assert before.size == after.size
    assert before.etag != after.etag
