"""DRS: objects, bundles, ways to the bytes, and servers that mean no good."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from contract.storage.places import Place
from files.certificates import Authority
from servers.ftp import ftp_server
from servers.http import Fault, HttpFiles, http_server
from servers.secure_http import secure_http_server, trusting
from tesk_filer.adapters.storage.drs import DrsStorage
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.adapters.storage.http import HttpStorage
from tesk_filer.adapters.storage.registry import StorageRegistry
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.checksums import choose_checks
from tesk_filer.ports import Part, Stat, StorageError
from tesk_filer.ports.readers import Skips
from tesk_model.locations import parse_location

OBJECTS = "/ga4gh/drs/v1/objects/"
CONTENT = b"0123456789" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(authority: Authority) -> Iterator[HttpFiles]:
    with secure_http_server(authority) as files:
        files.files["/bytes"] = CONTENT
        yield files


@pytest.fixture
def data(server: HttpFiles, authority: Authority) -> Iterator[Place]:
    url = server.url.replace("https:", "drs:")
    registry = StorageRegistry(trusting(authority.certificate))
    yield Place(registry.of(parse_location(url + "/x")), url)
    for each in (url, server.url, "ftp://host"):
        storage = registry.of(parse_location(each + "/x"))
        assert isinstance(storage, DrsStorage | HttpStorage | FtpStorage)
        storage.close()


def publish(server: HttpFiles, name: str, **fields: Any) -> None:
    document = {"id": name, "self_uri": "drs://x/y", **fields}
    server.files[OBJECTS + name] = json.dumps(document).encode()


def blob(server: HttpFiles, name: str = "a", **fields: Any) -> None:
    method = {"type": "https", "access_url": {"url": server.url + "/bytes"}}
    publish(
        server,
        name,
        **{
            "size": len(CONTENT),
            "checksums": [{"type": "sha-256", "checksum": SHA256}],
            "access_methods": [method],
            **fields,
        },
    )


def test_an_object_is_read_with_its_size_and_checksums(
    data: Place, server: HttpFiles
) -> None:
    blob(server)

    with data.open(data.url + "/a") as reader:
        assert (reader.size, reader.checksums["sha256"]) == (len(CONTENT), SHA256)
        assert reader.has_parts
        known = Stat(size=reader.size, etag=reader.etag)
    assert data.get(data.url + "/a") == CONTENT
    assert data.get(data.url + "/a", part=Part(5, 95), known=known) == CONTENT[5:95]
    assert data.stat(data.url + "/a") == Stat(
        size=len(CONTENT), checksums={"sha256": SHA256}
    )
    assert data.stat(data.url + "/none") is None


def test_an_object_of_a_server_without_ranges_tells_what_comes_before_its_part(
    data: Place, server: HttpFiles
) -> None:
    blob(server)
    server.sends_whole = True

    with data.open(data.url + "/a", part=Part(5, 95)) as reader:
        assert isinstance(reader, Skips)
        assert reader.skips == 5


def test_question_marks_and_hashes_are_parts_of_the_name_of_an_object(
    data: Place, server: HttpFiles
) -> None:
    blob(server, "a?b#c", access_methods=[{"type": "https", "access_id": "1"}])
    way = json.dumps({"url": server.url + "/bytes"}).encode()
    server.files[OBJECTS + "a?b#c/access/1"] = way

    assert data.get(data.url + "/a?b#c") == CONTENT

    assert server.targets[:2] == [
        f"{OBJECTS}a%3Fb%23c",
        f"{OBJECTS}a%3Fb%23c/access/1",
    ]


def _in_base64(name: str) -> str:
    digest = hashlib.new(name, CONTENT, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


CHECKSUMS = {
    "IANA's name": ("sha-384", hashlib.sha384(CONTENT).hexdigest()),
    "another spelling": ("SHA_256", SHA256.upper()),
    "base64": ("md5", _in_base64("md5")),
}


@pytest.mark.parametrize(("kind", "digest"), CHECKSUMS.values(), ids=CHECKSUMS)
def test_checksums_are_understood_as_repositories_write_them(
    data: Place, server: HttpFiles, kind: str, digest: str
) -> None:
    blob(server, checksums=[{"type": kind, "checksum": digest}])

    with data.open(data.url + "/a") as reader:
        [(name, found)] = reader.checksums.items()

    assert found == hashlib.new(name, CONTENT, usedforsecurity=False).hexdigest()


def test_half_of_a_character_is_refused(data: Place, server: HttpFiles) -> None:
    blob(server)
    publish(server, "a", **way("https", "https://localhost:1/\ud800"))

    with pytest.raises(StorageError, match="is not JSON"):
        data.get(data.url + "/a")


OTHER = CONTENT[:-1] + b"x"
CRC32C_OF_OTHER = base64.b64encode(
    google_crc32c.Checksum(OTHER).digest()  # type: ignore[no-untyped-call]
).decode()
OF_THE_STORAGE = {
    "the storage says none": {},
    "the storage says its own": {"x-goog-hash": f"crc32c={CRC32C_OF_OTHER}"},
}


@pytest.mark.parametrize("headers", OF_THE_STORAGE.values(), ids=OF_THE_STORAGE)
def test_bytes_with_another_checksum_than_the_repository_says_are_refused(
    data: Place, server: HttpFiles, tmp_path: Path, headers: dict[str, str]
) -> None:
    blob(server)
    server.files["/bytes"] = OTHER
    server.headers = headers

    with data.open(data.url + "/a") as reader:
        checks = choose_checks({}, reader.checksums)
        with pytest.raises(StorageError, match=f"arrived with sha256 .* not {SHA256}"):
            FolderVolume(tmp_path).save("/a", reader, lambda _: None, checks)

    assert not list(tmp_path.rglob("*a*"))


def test_what_the_storage_says_is_verified_if_the_repository_says_nothing(
    data: Place, server: HttpFiles
) -> None:
    blob(server, checksums=[])
    server.headers = OF_THE_STORAGE["the storage says its own"]

    with data.open(data.url + "/a") as reader:
        assert [*reader.checksums] == ["crc32c"]


def test_the_way_to_the_bytes_is_asked_for_with_its_headers(
    data: Place, server: HttpFiles
) -> None:
    with http_server() as other:
        other.files["/b"] = CONTENT
        blob(server, access_methods=[{"type": "https", "access_id": "fast/1"}])
        access = {"url": server.url + "/bytes", "headers": ["Authorization: Bearer x1"]}
        server.files[OBJECTS + "a/access/fast/1"] = json.dumps(access).encode()
        server.faults["/bytes"] = [Fault(status=302, location=other.url + "/b")]

        assert data.get(data.url + "/a") == CONTENT

        assert server.authorizations == ["", "", "Bearer x1"]
        assert other.authorizations == [""]
    assert server.targets[1] == f"{OBJECTS}a/access/fast%2F1"


def test_bytes_may_be_in_another_storage(
    data: Place, server: HttpFiles, tmp_path: Path
) -> None:
    (tmp_path / "b").write_bytes(CONTENT)
    with ftp_server(tmp_path) as archive:
        way = {"type": "ftp", "access_url": {"url": archive.url + "/b"}}
        blob(server, access_methods=[{"type": "globus", "access_id": "1"}, way])

        assert data.get(data.url + "/a") == CONTENT


def test_another_size_than_the_repository_says_is_told(
    data: Place, server: HttpFiles
) -> None:
    blob(server, size=7)

    with (
        data.open(data.url + "/a") as reader,
        pytest.raises(StorageError, match="has 10000 bytes; its repository says 7"),
    ):
        assert reader.size


def test_a_bundle_is_a_directory_with_all_below_it(
    data: Place, server: HttpFiles
) -> None:
    blob(server, "a")
    blob(server, "b/1")
    publish(server, "inner", contents=[{"name": "y", "id": "b/1"}])
    publish(
        server,
        "outer",
        contents=[{"name": "x", "id": "a"}, {"name": "sub", "id": "inner"}],
    )

    entries = data.walk(data.url + "/outer")

    assert [(each.name, each.size) for each in entries] == [
        ("sub/y", len(CONTENT)),
        ("x", len(CONTENT)),
    ]
    outer = parse_location(data.url + "/outer")
    assert data.get(outer.below("sub/y")) == CONTENT
    assert data.stat(outer) == Stat(is_directory=True)


def test_a_bundle_within_itself_is_left_out_and_told(
    data: Place, server: HttpFiles
) -> None:
    blob(server, "a")
    publish(
        server,
        "loop",
        contents=[{"name": "x", "id": "a"}, {"name": "again", "id": "loop"}],
    )

    pages = list(data.pages(data.url + "/loop"))

    assert [each.name for page in pages for each in page.entries] == ["x"]
    assert [*pages[-1].notes] == ["again is a bundle within itself, left out"]


def test_a_bundle_of_very_many_members_is_refused_before_they_are_asked_for(
    data: Place, server: HttpFiles
) -> None:
    many = [{"name": f"{number}", "id": "a"} for number in range(100_001)]
    publish(server, "huge", contents=many)

    with pytest.raises(StorageError, match="of more than 100,000 members"):
        data.list(data.url + "/huge")

    assert len(server.requests) == 1


def test_a_busy_repository_is_asked_for_some_members_of_a_bundle_again_not_for_all(
    data: Place, server: HttpFiles
) -> None:
    for number in range(250):
        blob(server, f"m{number}")
    members = [{"name": f"f{n}", "id": f"m{n}"} for n in range(250)]
    publish(server, "large", contents=members)
    first = data.list(data.url + "/large")
    server.faults[OBJECTS + "m150"] = [Fault(status=429, retry_after="5")]
    with pytest.raises(StorageError) as caught:
        data.list(data.url + "/large", first.cursor)
    server.requests.clear()

    second = data.list(data.url + "/large", first.cursor)
    third = data.list(data.url + "/large", second.cursor)

    assert caught.value.throttled
    assert len(server.requests) == 150
    names = [each.name for page in (first, second, third) for each in page.entries]
    assert names == [f"f{number}" for number in range(250)]
    assert third.cursor == ()


def test_two_members_of_one_name_are_refused(data: Place, server: HttpFiles) -> None:
    blob(server, "a")
    publish(server, "twice", contents=[{"name": "x", "id": "a"}] * 2)

    with pytest.raises(StorageError, match="holds 'x' 2 times"):
        data.list(data.url + "/twice")


def way(kind: str, url: str, **more: Any) -> dict[str, Any]:
    return {"access_methods": [{"type": kind, "access_url": {"url": url, **more}}]}


HOSTILE = {
    "a file of this machine": (way("file", "file:///etc/passwd"), "offers no way"),
    "a file said to be a page": (
        way("https", "file:///etc/passwd"),
        "said to be at https, and are at file",
    ),
    "a metadata service": (
        way("https", "http://169.254.169.254/latest/"),
        "a metadata service",
    ),
    "no url": (way("https", "nowhere"), "leads to a url that is neither"),
    "headers that cannot be sent": (
        way("https", "https://localhost:1/a", headers=["a: b\r\nc: d"]),
        "cannot be sent",
    ),
    "headers for a server without TLS": (
        way("https", "http://localhost:1/a", headers=["a: b"]),
        "cannot be sent",
    ),
    "no way at all": ({"access_methods": "none"}, "offers no way"),
}


@pytest.mark.parametrize(("fields", "text"), HOSTILE.values(), ids=HOSTILE)
def test_an_object_that_leads_where_it_may_not_fails_for_good(
    data: Place, server: HttpFiles, fields: dict[str, Any], text: str
) -> None:
    publish(server, "a", **fields)

    with pytest.raises(StorageError, match=text) as caught:
        data.get(data.url + "/a")

    assert not caught.value.transient


NAMES = {"above": "../x", "absolute": "/etc/passwd", "empty": "", "itself": "."}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_in_a_bundle_that_leads_elsewhere_fails_for_good(
    data: Place, server: HttpFiles, name: str
) -> None:
    blob(server, "a")
    publish(server, "outer", contents=[{"name": name, "id": "a"}])

    with pytest.raises(StorageError, match="cannot be the name of a file"):
        data.list(data.url + "/outer")


def test_a_repository_that_is_not_ready_is_asked_again_later(
    data: Place, server: HttpFiles
) -> None:
    server.faults[OBJECTS + "a"] = [Fault(status=202, retry_after="5")]

    with pytest.raises(StorageError, match="not there yet") as caught:
        data.get(data.url + "/a")

    assert caught.value.transient
