"""htsget: tickets, blocks, and servers that mean no good."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from contract.storage.places import Place
from files.certificates import Authority
from servers.http import Fault, HttpFiles, http_server
from servers.scripted import scripted_server
from servers.secure_http import secure_http_server, trusting
from tesk_filer.adapters.storage.htsget import open_storage
from tesk_filer.domain.credentials import BearerToken, Credential
from tesk_filer.ports import ChangedError, Part, StorageError
from tesk_model.locations import Location
from tesk_model.url_lists import parse_url_lists

HEADER, BODY = b"@HD header\n" * 10, bytes(range(256)) * 3000
WHOLE = HEADER + BODY


@pytest.fixture
def server(authority: Authority) -> Iterator[HttpFiles]:
    with secure_http_server(authority) as files:
        files.files["/blocks/body"] = b"unwanted" + BODY + b"unwanted"
        yield files


@pytest.fixture
def reads(server: HttpFiles, authority: Authority) -> Iterator[Place]:
    url = server.url.replace("https:", "htsget:") + "/reads/NA12878"
    storage = open_storage(trusting(authority.certificate))
    yield Place(storage, url)
    storage.close()


def ticket(server: HttpFiles, **more: Any) -> bytes:
    body = {
        "url": server.url + "/blocks/body",
        "headers": {"Range": f"bytes=8-{len(BODY) + 7}", "Authorization": "Bearer b1"},
        "class": "body",
    }
    header = {
        "url": "data:application/vnd.ga4gh.bam;base64,"
        + base64.b64encode(HEADER).decode(),
        "class": "header",
    }
    about = {"format": "BAM", "urls": [header, body], **more}
    return json.dumps({"htsget": about}).encode()


def test_blocks_become_one_file(reads: Place, server: HttpFiles) -> None:
    server.files["/reads/NA12878"] = ticket(server)

    assert reads.get(reads.url + "?format=BAM&referenceName=1") == WHOLE
    assert server.targets[0] == "/reads/NA12878?format=BAM&referenceName=1"


def test_headers_of_a_block_go_to_its_url_alone(
    reads: Place, server: HttpFiles
) -> None:
    with http_server() as other:
        other.files["/b"] = BODY
        server.files["/reads/NA12878"] = ticket(server)
        server.faults["/blocks/body"] = [Fault(status=302, location=other.url + "/b")]

        reads.get(reads.url)

        assert server.authorizations == ["", "Bearer b1"]
        assert other.authorizations == [""]


def test_a_block_without_length_must_have_the_size_that_head_tells(
    reads: Place, server: HttpFiles
) -> None:
    cut = b"HTTP/1.1 200 Any\r\nconnection: close\r\n\r\nabc"
    head = b"HTTP/1.1 200 Any\r\ncontent-length: 10\r\n\r\n"
    block = {"url": server.url + "/blocks/body"}
    server.files["/reads/NA12878"] = ticket(server, urls=[block])
    with scripted_server(cut, head) as script:
        server.faults["/blocks/body"] = [Fault(status=302, location=script.url)]

        with pytest.raises(StorageError, match="3 bytes of a block") as caught:
            reads.get(reads.url)

    assert caught.value.transient


@dataclass(frozen=True)
class TokenFor:
    """A token for the urls of one scheme."""

    scheme: str

    def find(self, location: Location) -> Credential | None:
        if location.scheme != self.scheme:
            return None
        return BearerToken(token="t0ken")


def test_a_token_for_htsget_is_sent_for_the_ticket(
    server: HttpFiles, authority: Authority
) -> None:
    server.files["/reads/a"] = json.dumps({"htsget": {"urls": []}}).encode()
    config = trusting(authority.certificate, TokenFor("htsget"))
    url = server.url.replace("https:", "htsget:") + "/reads/a"

    with closing(open_storage(config)) as storage:
        assert Place(storage, url).get(url) == b""
    assert server.authorizations == ["Bearer t0ken"]


def test_a_part_and_the_checksum_of_the_whole(reads: Place, server: HttpFiles) -> None:
    md5 = hashlib.md5(WHOLE).hexdigest()  # noqa: S324 - as htsget has it
    server.files["/reads/NA12878"] = ticket(server, md5=md5)

    with reads.open(reads.url, part=Part(100, 200_000)) as reader:
        assert reader.checksums == {"md5": md5}
        assert reader.size is None
    assert reads.get(reads.url, part=Part(100, 200_000)) == WHOLE[100:200_000]


def test_a_ticket_that_expires_on_the_way_is_asked_for_again(
    reads: Place, server: HttpFiles
) -> None:
    server.files["/reads/NA12878"] = ticket(server)
    server.faults["/blocks/body"] = [Fault(status=403)]

    assert reads.get(reads.url) == WHOLE
    assert [path for _, path in server.requests].count("/reads/NA12878") == 2


def test_a_server_that_sends_less_of_a_block_than_the_ticket_says_is_an_error(
    reads: Place, server: HttpFiles
) -> None:
    server.files["/reads/NA12878"] = ticket(server)
    less = {"Content-Range": f"bytes 8-107/{len(BODY) + 16}"}
    server.faults["/blocks/body"] = [
        Fault(status=206, body=BODY[:100], headers=less),
        Fault(status=200, body=b"unwanted" + BODY[:100]),
    ]

    with pytest.raises(StorageError, match="100 bytes of a block") as caught:
        reads.get(reads.url)
    assert caught.value.transient
    assert reads.get(reads.url) == HEADER + BODY[:100]  # the file has no more
    assert reads.get(reads.url) == WHOLE


def test_a_new_ticket_with_other_blocks_is_of_another_file(
    reads: Place, server: HttpFiles
) -> None:
    other = json.dumps({"htsget": {"urls": []}}).encode()
    server.files["/reads/NA12878"] = ticket(server)
    server.faults["/reads/NA12878"] = [Fault(), Fault(status=200, body=other)]
    server.faults["/blocks/body"] = [Fault(status=410)]

    with pytest.raises(ChangedError):
        reads.get(reads.url)


def test_a_block_that_is_denied_at_once_is_denied(
    reads: Place, server: HttpFiles
) -> None:
    server.files["/reads/NA12878"] = json.dumps(
        {"htsget": {"urls": [{"url": server.url + "/blocks/body"}]}}
    ).encode()
    server.faults["/blocks/body"] = [Fault(status=403)] * 9

    with pytest.raises(StorageError, match="access denied"):
        reads.get(reads.url)

    assert len(server.requests) == 2


def test_a_cut_block_is_noticed(reads: Place, server: HttpFiles) -> None:
    server.files["/reads/NA12878"] = ticket(server)
    server.faults["/blocks/body"] = [Fault(cut_at=1000)]

    with pytest.raises(StorageError, match="connection broke") as caught:
        reads.get(reads.url)

    assert caught.value.transient


def test_the_kind_of_an_error_is_told_and_not_what_may_be_repeated(
    reads: Place, server: HttpFiles
) -> None:
    said = {"htsget": {"error": "NotFound", "message": "Bearer t0ken"}}
    server.faults["/reads/NA12878"] = [
        Fault(status=404, body=json.dumps(said).encode())
    ] * 2

    with pytest.raises(StorageError) as caught:
        reads.get(reads.url)

    assert caught.value.message == "does not exist (HTTP 404) (NotFound)"
    assert reads.stat(reads.url) is None


def urls(*entries: object) -> bytes:
    return json.dumps({"htsget": {"urls": entries}}).encode()


HOSTILE = {
    "no JSON": (b"<html>", "is not JSON"),
    "JSON without end": (b"[" * 100_000, "is not JSON"),
    "a list": (b"[]", "not an object"),
    "no ticket": (b'{"htsget": 1}', "no ticket"),
    "a file of this machine": (urls({"url": "file:///etc/passwd"}), "neither https"),
    "a bucket": (urls({"url": "s3://bucket/key"}), "neither https"),
    "plain http": (urls({"url": "http://localhost:1/a"}), "neither https"),
    "no url": (urls({"class": "body"}), "block without url"),
    "no url at all": (urls({"url": "https://"}), "names no host"),
    "a range that is none": (
        urls({"url": "https://localhost:1/a", "headers": {"Range": "bytes=9-2"}}),
        "Range that is none",
    ),
    "a header with a line end": (
        urls({"url": "https://localhost:1/a", "headers": {"a": "b\r\nc: d"}}),
        "cannot be sent",
    ),
    "data that is none": (urls({"url": "data:;base64,???"}), "data url that is none"),
    "a metadata service": (
        urls({"url": "https://169.254.169.254/latest"}),
        "a metadata service",
    ),
    "what is refused": (urls({"url": "https://localhost:1/private/a"}), "urls.deny"),
}


@pytest.mark.parametrize(("body", "text"), HOSTILE.values(), ids=HOSTILE)
def test_a_ticket_that_is_none_or_leads_where_it_may_not_fails_for_good(
    server: HttpFiles, authority: Authority, body: bytes, text: str
) -> None:
    server.files["/reads/a"] = body
    lists = parse_url_lists((), ("https://localhost/private",))
    config = trusting(authority.certificate, urls=lists)
    url = server.url.replace("https:", "htsget:") + "/reads/a"

    with (
        closing(open_storage(config)) as storage,
        pytest.raises(StorageError, match=text) as caught,
    ):
        Place(storage, url).get(url)

    assert not caught.value.transient
    assert "internal error" not in caught.value.message
