"""HTTP: versions, parts, checksums, methods, tokens, cookies, proxies, certificates."""

import base64
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.places import Place, http_storage
from files.certificates import Authority
from servers.http import Fault, HttpFiles, http_server
from servers.scripted import answer, scripted_server
from tesk_filer.adapters.storage.storage_config import HttpOptions, Timeouts
from tesk_filer.domain.credentials import BearerToken, Credential
from tesk_filer.ports import ChangedError, Part, StorageError
from tesk_filer.ports.readers import Skips
from tesk_model.locations import Location
from tesk_model.url_lists import parse_url_patterns

TIMEOUTS = Timeouts(connect=timedelta(seconds=20), stall=timedelta(seconds=20))
CONTENT = b"0123456789" * 100


@pytest.fixture
def server() -> Iterator[HttpFiles]:
    with http_server() as files:
        files.files["/a"] = CONTENT
        files.has_ranges = True
        yield files


@pytest.fixture
def web(server: HttpFiles) -> Iterator[Place]:
    storage = http_storage(TIMEOUTS)
    yield Place(storage, server.url)
    storage.close()


@pytest.mark.parametrize("has_etags", [True, False])
def test_parts_are_read_beside_each_other_by_etag_or_time_of_change(
    web: Place, server: HttpFiles, *, has_etags: bool
) -> None:
    server.has_etags = has_etags

    with web.open(web.url + "/a") as reader:
        known = web.stat(web.url + "/a")
        part = web.get(web.url + "/a", part=Part(5, 25), known=known)

        assert reader.has_parts
        assert part == CONTENT[5:25]


@pytest.mark.parametrize("has_etags", [True, False])
def test_a_part_of_another_version_is_not_read(
    web: Place, server: HttpFiles, *, has_etags: bool
) -> None:
    server.has_etags = has_etags
    known = web.stat(web.url + "/a")
    server.files["/a"] = CONTENT[::-1]

    with pytest.raises(ChangedError):
        web.get(web.url + "/a", part=Part(5, 25), known=known)


def test_who_gets_all_of_a_file_in_place_of_a_part_hears_it_before_it_is_read(
    web: Place, server: HttpFiles
) -> None:
    server.sends_whole = True
    server.faults["/a"] = [Fault(hold_at=0)]

    with web.open(web.url + "/a", part=Part(5, 25)) as reader:
        assert isinstance(reader, Skips)
        skips = reader.skips
        server.release.set()
        part = reader.read(1000)

    assert skips == 5
    assert part == CONTENT[5:25]


IGNORED = {
    "another ETag": {"ETag": '"other"'},
    "another length": {"Content-Length": "999", "Connection": "close"},
}


@pytest.mark.parametrize("headers", IGNORED.values(), ids=IGNORED)
def test_a_server_that_ignores_conditions_is_found_out(
    web: Place, server: HttpFiles, headers: dict[str, str]
) -> None:
    known = web.stat(web.url + "/a")
    server.faults["/a"] = [Fault(headers=headers)]

    with pytest.raises(ChangedError):
        web.get(web.url + "/a", known=known)


def test_a_part_of_no_version_may_be_of_any(web: Place, server: HttpFiles) -> None:
    known = web.stat(web.url + "/a")
    part = CONTENT[5:25]
    told = {"Content-Range": f"bytes 5-24/{len(CONTENT)}", "ETag": ""}
    server.faults["/a"] = [Fault(status=206, body=part, headers=told)]

    with pytest.raises(ChangedError):
        web.get(web.url + "/a", part=Part(5, 25), known=known)


def test_a_server_that_takes_its_time_for_an_upload_has_the_stall_timeout() -> None:
    timeouts = Timeouts(connect=timedelta(seconds=0.3), stall=timedelta(seconds=20))
    large = bytes(30_000_000)  # more than fits between two programs
    with scripted_server(answer(201), answer(404)) as script:
        script.pause = 1
        storage = http_storage(timeouts)
        place = Place(storage, script.url)
        place.put(place.at("a"), large)
        storage.close()

        assert [len(body) for body in script.bodies] == [len(large), 0]


NO_PARTS = {
    "no ranges": {"Accept-Ranges": "none"},
    "a weak ETag alone": {"ETag": 'W/"1"'},
    "no version": {"ETag": ""},
}


@pytest.mark.parametrize("headers", NO_PARTS.values(), ids=NO_PARTS)
def test_a_file_is_read_in_one_where_parts_could_be_of_two(
    web: Place, server: HttpFiles, headers: dict[str, str]
) -> None:
    server.headers.update(headers)

    with web.open(web.url + "/a") as reader:
        assert not reader.has_parts


def test_a_time_of_change_in_the_second_of_the_response_tells_no_versions_apart(
    web: Place, server: HttpFiles
) -> None:
    server.has_etags = False
    now = "Thu, 26 Nov 2026 07:00:00 GMT"
    server.headers.update({"Last-Modified": now, "Date": now})

    with web.open(web.url + "/a") as reader:
        assert not reader.has_parts


def encoded(algorithm: str) -> str:
    return base64.b64encode(hashlib.new(algorithm, CONTENT).digest()).decode()


SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()  # noqa: S324 - as servers have it
DIGESTS = {
    "Repr-Digest": (
        {"Repr-Digest": f"sha-256=:{encoded('sha256')}:, unixsum=:MTI=:"},
        {"sha256": SHA256},
    ),
    "Digest": (
        {"Digest": f"SHA-256={encoded('sha256')},MD5={encoded('md5')}"},
        {"sha256": SHA256, "md5": MD5},
    ),
    "Content-MD5": ({"Content-MD5": encoded("md5")}, {"md5": MD5}),
    "x-goog-hash": (
        {"x-goog-hash": f"crc32c=n03x6A==, md5={encoded('md5')}"},
        {"crc32c": "9f4df1e8", "md5": MD5},
    ),
    "x-goog-hash of what is unpacked on the way": (
        {
            "x-goog-hash": f"md5={encoded('md5')}",
            "x-goog-stored-content-encoding": "gzip",
        },
        {},
    ),
    "what is no digest": ({"Digest": "sha-256=a b,md5=YQ==,SHA-256"}, {}),
}


@pytest.mark.parametrize(("headers", "want"), DIGESTS.values(), ids=DIGESTS)
def test_checksums_are_taken_from_headers(
    web: Place, server: HttpFiles, headers: dict[str, str], want: dict[str, str]
) -> None:
    server.headers.update(headers)

    with web.open(web.url + "/a") as reader:
        assert reader.checksums == want
    stat = web.stat(web.url + "/a")
    assert stat is not None
    assert stat.checksums == want


def test_the_md5_of_a_part_is_not_that_of_the_file(
    web: Place, server: HttpFiles
) -> None:
    server.headers["Content-MD5"] = encoded("md5")

    with web.open(web.url + "/a", part=Part(1, 3)) as reader:
        assert reader.checksums == {}


def test_outputs_are_sent_by_post_where_the_operator_says_so(server: HttpFiles) -> None:
    options = HttpOptions(post=parse_url_patterns([server.url + "/inbox"], "a"))
    place = Place(http_storage(TIMEOUTS, options=options), server.url)

    place.put(server.url + "/inbox/b", b"posted")
    place.put(server.url + "/c", b"put")

    assert server.requests == [("POST", "/inbox/b"), ("PUT", "/c"), ("HEAD", "/c")]
    assert server.files["/inbox/b"] == b"posted"


@dataclass(frozen=True)
class TokenAt:
    """A token for one host and port."""

    host: str
    port: int

    def find(self, location: Location) -> Credential | None:
        if (location.host, location.port) != (self.host, self.port):
            return None
        return BearerToken(token="t0ken")


def port_of(server: HttpFiles) -> int:
    return int(server.url.rpartition(":")[2])


def test_a_token_goes_to_its_host_and_not_on_to_another(server: HttpFiles) -> None:
    with http_server() as other:
        other.files["/b"] = b"there"
        server.faults["/a"] = [Fault(status=302, location=other.url + "/b")]
        credentials = TokenAt("127.0.0.1", port_of(server))
        place = Place(http_storage(TIMEOUTS, credentials=credentials), server.url)

        assert place.get(server.url + "/a") == b"there"

        assert server.authorizations == ["Bearer t0ken"]
        assert other.authorizations == [""]


def test_user_and_password_of_the_url_come_before_a_token(server: HttpFiles) -> None:
    credentials = TokenAt("127.0.0.1", port_of(server))
    place = Place(http_storage(TIMEOUTS, credentials=credentials), server.url)

    place.get(server.url.replace("://", "://ada:pw@") + "/a")

    assert server.authorizations == ["Basic YWRhOnB3"]


def test_a_server_that_tells_a_session_by_a_cookie_gets_it_back(
    web: Place, server: HttpFiles
) -> None:
    session = {"Set-Cookie": "session=abc; Path=/"}
    server.faults["/a"] = [Fault(status=302, location="/a", headers=session)]

    assert web.get(web.url + "/a") == CONTENT
    assert server.cookies == ["", "session=abc"]


def test_a_cookie_does_not_follow_a_redirect_to_another_port(
    web: Place, server: HttpFiles
) -> None:
    with http_server() as other:
        other.files["/b"] = b"there"
        session = {"Set-Cookie": "session=abc; Path=/; Domain=127.0.0.1"}
        moved = Fault(status=302, location=other.url + "/b", headers=session)
        server.faults["/a"] = [moved]

        assert web.get(web.url + "/a") == b"there"
        assert other.cookies == [""]


def test_a_server_is_trusted_by_the_authorities_that_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with http_server(tls=context) as secure:
        secure.files["/a"] = b"encrypted"
        url = secure.url.replace("127.0.0.1", "localhost") + "/a"
        trusting = HttpOptions(authorities=str(authority.certificate))

        trusted = Place(http_storage(TIMEOUTS, options=trusting), "").get(url)
        with pytest.raises(StorageError, match="certificate is not trusted") as caught:
            Place(http_storage(TIMEOUTS), "").get(url)

    assert trusted == b"encrypted"
    assert not caught.value.transient


def test_connections_are_used_again_after_every_kind_of_response(
    web: Place, server: HttpFiles
) -> None:
    server.faults["/gone"] = [Fault(status=404, body=b"not here")] * 2
    server.faults["/moved"] = [Fault(status=302, location="/a", body=b"moved")]

    web.get(web.url + "/a")
    with pytest.raises(StorageError):
        web.get(web.url + "/gone")
    web.get(web.url + "/moved")
    web.put(web.url + "/b", b"content")
    server.files["/large"] = bytes(1_000_000)
    web.stat(web.url + "/large")
    web.stat(web.url + "/large")

    assert server.connections <= 2  # an error's body is not waited for


def test_a_server_that_asks_for_less_says_so(web: Place, server: HttpFiles) -> None:
    server.faults["/a"] = [Fault(status=429, retry_after="3")]

    with pytest.raises(StorageError) as caught:
        web.get(web.url + "/a")

    assert caught.value.throttled
    assert caught.value.retry_after == timedelta(seconds=3)
