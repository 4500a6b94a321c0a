"""Servers of http, https, s3, gs and Azure that answer before a file was sent whole.

A refusal is read, whatever of the file had arrived; a success is none.
"""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from contract.storage.clouds import open_azure, open_gs, open_s3
from contract.storage.places import TIMEOUTS, Place, http_storage
from fakes.filer_credentials import FixedCredentials
from files.certificates import Authority
from servers.azure import KEY
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.storage.http import HttpStorage
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.storage_config import HttpOptions
from tesk_filer.domain.credentials import (
    AzureAccount,
    GcsAccount,
    S3Account,
    S3Keys,
)
from tesk_filer.ports import StorageError
from tesk_model.url_lists import parse_url_patterns

MIB = 1024 * 1024
LARGE = bytes(20 * MIB)  # more than fits between two programs
PARTS = bytes(52 * MIB)  # two of s3, each of them more than fits, too
EARLY = answer(200, connection="close")
Closable = HttpStorage | ObjectStorage
Open = Callable[[Script], Closable]


def s3(script: Script) -> Closable:
    keys = S3Keys(access_key="AKIA1", secret_key="s3cr3t")
    account = S3Account(endpoint=script.url, region="r1", keys=keys)
    return open_s3(FixedCredentials(account))


def gs(script: Script) -> Closable:
    return open_gs(GcsAccount(endpoint=script.url, anonymous=True))


def azure(script: Script) -> Closable:
    return open_azure(AzureAccount(endpoint=f"{script.url}/account", key=KEY))


def posted(script: Script) -> Closable:
    options = HttpOptions(post=parse_url_patterns([script.url], "post"))
    return http_storage(TIMEOUTS, options=options)


STORAGES = {
    "http by PUT": (lambda _: http_storage(TIMEOUTS), "{url}/a"),
    "http by POST": (posted, "{url}/a"),
    "s3": (s3, "s3://bucket/a"),
    "azure": (azure, "az://container/a"),
}


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as found:
        found.answers_first = True
        yield found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def place_of(stack: ExitStack, storage: Closable) -> Place:
    stack.callback(storage.close)
    return Place(storage, "")


@pytest.mark.parametrize(("opens", "url"), STORAGES.values(), ids=STORAGES)
def test_a_success_before_the_file_was_sent_is_an_error_that_may_pass(
    script: Script, stack: ExitStack, opens: Open, url: str
) -> None:
    script.answers = [EARLY]
    place = place_of(stack, opens(script))

    with pytest.raises(StorageError, match="before it was sent all") as caught:
        place.put(url.format(url=script.url), LARGE)

    assert caught.value.transient


@pytest.mark.parametrize(("opens", "url"), STORAGES.values(), ids=STORAGES)
def test_a_refusal_before_the_file_was_sent_is_told(
    script: Script, stack: ExitStack, opens: Open, url: str
) -> None:
    script.answers = [answer(403, connection="close")]
    place = place_of(stack, opens(script))

    with pytest.raises(StorageError, match="403") as caught:
        place.put(url.format(url=script.url), LARGE)

    assert not caught.value.transient


def test_a_success_by_tls_before_the_file_was_sent_is_an_error_that_may_pass(
    stack: ExitStack, authority: Authority
) -> None:
    issued = authority.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    script = stack.enter_context(scripted_server(EARLY, tls=tls))
    script.answers_first = True
    options = HttpOptions(authorities=str(authority.certificate))
    place = place_of(stack, http_storage(TIMEOUTS, options=options))

    with pytest.raises(StorageError) as caught:
        place.put(f"https://localhost:{script.port}/a", LARGE)

    assert caught.value.transient


def test_a_part_of_s3_that_was_not_sent_whole_is_sent_again(
    script: Script, stack: ExitStack
) -> None:
    kind = "InitiateMultipartUploadResult"
    begun = f"<{kind}><UploadId>u</UploadId></{kind}>".encode()
    parts = [answer(200, etag='"p"') for _ in range(2)]
    done = answer(200, b"<CompleteMultipartUploadResult/>")
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(PARTS)
    script.answers = [answer(200, begun), EARLY, *parts, done, head]
    place = place_of(stack, s3(script))

    place.put("s3://bucket/a", PARTS)

    methods = [each.partition(" ")[0] for each in script.requests]
    assert methods == ["POST", "PUT", "PUT", "PUT", "POST", "HEAD"]


def test_an_upload_to_google_goes_on_where_the_service_says_it_is(
    script: Script, stack: ExitStack
) -> None:
    written = {"size": str(len(LARGE)), "generation": "1"}
    script.answers = [
        answer(200, Location=f"{script.url}/session"),
        EARLY,
        answer(308),  # it has nothing
        answer(200, json.dumps(written).encode()),
    ]
    place = place_of(stack, gs(script))

    place.put("gs://bucket/a", LARGE)

    sent = [each.lower().partition("content-range: ")[2] for each in script.requests]
    ranges = [each.partition("\r")[0] for each in sent]
    last = len(LARGE) - 1
    whole = f"bytes 0-{last}/{len(LARGE)}"
    assert ranges == ["", whole, f"bytes */{len(LARGE)}", whole]
