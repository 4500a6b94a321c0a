"""S3, on the wire: how many requests, where to, by which keys, what is tried again."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from contract.storage.places import TIMEOUTS, Place
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3 import S3Objects
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_requests import S3Requests
from tesk_filer.domain.credentials import Credential, S3Account, S3Keys
from tesk_filer.ports import ChangedError, Part, Stat, StorageError
from tesk_model.locations import Location
from tesk_runtime.clock import SystemClock

KEYS = S3Keys(access_key="AKIA1", secret_key="s3cr3t")
NEWER = S3Keys(access_key="AKIA2", secret_key="n3w", session_token="t0ken")


class Accounts:
    """Gives the next account at each question, and the last again and again."""

    def __init__(self, *accounts: S3Account) -> None:
        self._accounts = list(accounts)

    def find(self, location: Location) -> Credential | None:
        del location
        many = len(self._accounts) > 1
        return self._accounts.pop(0) if many else self._accounts[0]


@contextmanager
def opened(
    *accounts: S3Account, environ: Mapping[str, str] | None = None
) -> Iterator[Place]:
    """Open S3 for accounts, the first for the first request, and so on."""
    environ = {"HOME": "/nowhere", **(environ or {})}
    requests = S3Requests(
        pool=HttpPool(timeouts=TIMEOUTS, size=4, environ=environ),
        credentials=Accounts(*accounts),
        environment=AwsEnvironment(environ),
        now=SystemClock().now,
    )
    storage = ObjectStorage(S3Objects(requests, connections=2))
    yield Place(storage, "s3://bucket/base", has_directories=False)
    storage.close()


def at(script: Script, keys: S3Keys | None = KEYS, **more: bool) -> S3Account:
    return S3Account(endpoint=script.url, region="r1", keys=keys, **more)


def error(code: str, **fields: str) -> bytes:
    texts = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    return f"<Error><Code>{code}</Code>{texts}</Error>".encode()


def signers(script: Script) -> list[str]:
    """Return key and region of each request."""
    scopes = [each.partition("Credential=")[2] for each in script.requests]
    return ["/".join(scope.split("/")[0:3:2]) for scope in scopes]


def test_a_file_takes_one_request() -> None:
    with (
        scripted_server(answer(200, b"abc", etag='"e1"')) as script,
        opened(at(script)) as place,
        place.open("s3://bucket/a") as reader,
    ):
        assert (reader.size, reader.etag, reader.read(9)) == (3, '"e1"', b"abc")
        assert [each.split()[0] for each in script.requests] == ["GET"]


def test_a_listed_file_is_read_only_if_it_is_still_that() -> None:
    with (
        scripted_server(answer(200, b"abc"), answer(412)) as script,
        opened(at(script)) as place,
    ):
        known = Stat(size=3, etag='"e1"')
        assert place.get("s3://bucket/a", known=known) == b"abc"
        with pytest.raises(ChangedError):
            place.get("s3://bucket/a", known=known)
        assert all('if-match: "e1"' in each for each in script.requests)


UNCONDITIONAL = {
    "all of it": (None, answer(200, b"abc", etag='"e2"')),
    "a part": (
        Part(1, 3),
        answer(206, b"bc", content_range="bytes 1-2/3", etag='"e2"'),
    ),
}


@pytest.mark.parametrize(("part", "raw"), UNCONDITIONAL.values(), ids=UNCONDITIONAL)
def test_another_version_is_refused_if_the_service_knows_no_conditions(
    part: Part | None, raw: bytes
) -> None:
    with (
        scripted_server(raw) as script,
        opened(at(script)) as place,
        pytest.raises(ChangedError),
    ):
        place.get("s3://bucket/a", part=part, known=Stat(size=3, etag='"e1"'))


def test_a_version_is_the_same_if_a_listing_leaves_out_its_quotes() -> None:
    raw = answer(200, b"abc", etag='"e1"')
    with scripted_server(raw) as script, opened(at(script)) as place:
        known = Stat(size=3, etag="e1")
        assert place.get("s3://bucket/a", known=known) == b"abc"


@pytest.mark.parametrize(
    "raw",
    [
        answer(200, b"0123456789"),
        answer(206, b"1234", content_range="bytes 1-4/10"),
    ],
    ids=["everything", "another part"],
)
def test_bytes_that_were_not_asked_for_are_refused(raw: bytes) -> None:
    with (
        scripted_server(raw) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError),
    ):
        place.get("s3://bucket/a", part=Part(2, 6))


ELSEWHERE = {
    "by the header of AWS": answer(301, x_amz_bucket_region="r2"),
    "by the error of compatible services": answer(
        400, error("AuthorizationHeaderMalformed", Region="r2")
    ),
}


@pytest.mark.parametrize("raw", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_bucket_of_another_region_is_found_once(raw: bytes) -> None:
    answers = (raw, answer(200, b"a"), answer(200, b"b"))
    with scripted_server(*answers) as script, opened(at(script)) as place:
        assert place.get("s3://bucket/a") == b"a"
        assert place.get("s3://bucket/b") == b"b"
        assert signers(script) == ["AKIA1/r1", "AKIA1/r2", "AKIA1/r2"]


def test_keys_that_rotate_take_effect_at_the_next_request() -> None:
    expired = answer(400, error("ExpiredToken"))
    with (
        scripted_server(expired, answer(200, b"a"), answer(200, b"b")) as script,
        opened(at(script), at(script, NEWER)) as place,
    ):
        assert place.get("s3://bucket/a") == b"a"
        assert place.get("s3://bucket/b") == b"b"
        assert signers(script) == ["AKIA1/r1", "AKIA2/r1", "AKIA2/r1"]
        assert "x-amz-security-token: t0ken" in script.requests[-1]


def test_keys_that_are_refused_are_not_tried_again() -> None:
    denied = answer(403, error("InvalidAccessKeyId", Message="no such key"))
    with (
        scripted_server(denied, answer(200, b"a")) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError, match="access denied") as caught,
    ):
        place.get("s3://bucket/a")

    assert len(script.requests) == 1
    assert not caught.value.transient


def test_an_anonymous_request_is_not_signed() -> None:
    with (
        scripted_server(answer(200, b"a")) as script,
        opened(at(script, None, anonymous=True)) as place,
    ):
        assert place.get("s3://bucket/a") == b"a"
        assert "authorization" not in script.requests[0].lower()


HOST = "minio.example.org"


@pytest.mark.parametrize("by_host", [True, False])
def test_a_bucket_may_be_a_host_name_also_behind_a_proxy(*, by_host: bool) -> None:
    account = S3Account(endpoint=f"http://{HOST}", keys=KEYS, virtual_hosts=by_host)
    with scripted_server(answer(200, b"a")) as script:
        proxy = script.url.replace("://", "://ada:p%40ss@")
        environ = {"HTTP_PROXY": proxy, "NO_PROXY": "example.com"}
        with opened(account, environ=environ) as place:
            assert place.get("s3://bucket/a//b/../c") == b"a"

    host, path = (f"bucket.{HOST}", "") if by_host else (HOST, "/bucket")
    lines = script.requests[0].split("\r\n")
    assert lines[0] == f"GET http://{host}{path}/a//b/../c HTTP/1.1"
    assert f"host: {host}" in lines
    assert "proxy-authorization: Basic YWRhOnBAc3M=" in lines


def test_the_form_of_urls_is_the_entrys_also_where_variables_name_the_service() -> None:
    account = S3Account(keys=KEYS, region="r1", virtual_hosts=True)
    with scripted_server(answer(200, b"a")) as script:
        environ = {"HTTP_PROXY": script.url, "AWS_ENDPOINT_URL": f"http://{HOST}"}
        with opened(account, environ=environ) as place:
            assert place.get("s3://bucket/a") == b"a"

    assert script.requests[0].startswith(f"GET http://bucket.{HOST}/a ")


@pytest.mark.parametrize("by_host", [None, True, False])
def test_the_form_of_urls_is_the_entrys_also_at_aws(*, by_host: bool | None) -> None:
    account = S3Account(keys=KEYS, region="r1", virtual_hosts=by_host)
    with (
        scripted_server(answer(407)) as script,
        opened(account, environ={"HTTPS_PROXY": script.url}) as place,
        pytest.raises(StorageError),
    ):
        place.get("s3://bucket/a")

    bucket = "" if by_host is False else "bucket."
    assert script.requests[0].startswith(f"CONNECT {bucket}s3.r1.amazonaws.com:443 ")


def test_a_host_may_be_left_out_of_the_proxies() -> None:
    with scripted_server(answer(200, b"a")) as script:
        environ = {"http_proxy": "http://proxy.invalid:1", "no_proxy": "127.0.0.1"}
        with opened(at(script), environ=environ) as place:
            assert place.get("s3://bucket/a") == b"a"


def test_tls_goes_through_a_proxy_that_may_refuse() -> None:
    account = S3Account(endpoint=f"https://{HOST}", keys=KEYS)
    with scripted_server(answer(407)) as script:
        environ = {"HTTPS_PROXY": script.url}
        with (
            opened(account, environ=environ) as place,
            pytest.raises(StorageError, match=r"proxy does not connect.*407"),
        ):
            place.get("s3://bucket/a")
        assert script.requests[0].startswith(f"CONNECT {HOST}:443 HTTP/1.1")


def test_a_proxy_that_is_away_is_named() -> None:
    account = S3Account(endpoint=f"http://{HOST}", keys=KEYS)
    with (
        opened(account, environ={"http_proxy": "http://127.0.0.1:1"}) as place,
        pytest.raises(StorageError, match="refused by the proxy") as caught,
    ):
        place.get("s3://bucket/a")

    assert caught.value.transient


def test_keys_come_from_the_variables_of_the_aws_tools() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}
    with scripted_server(answer(200, b"a")) as script:
        environ["AWS_DEFAULT_REGION"] = "r1"
        with opened(S3Account(endpoint=script.url), environ=environ) as place:
            assert place.get("s3://bucket/a") == b"a"
        assert signers(script) == ["AKIA1/r1"]


def test_a_service_in_place_of_aws_is_named_by_the_variables_of_the_aws_tools() -> None:
    with scripted_server(answer(200, b"a")) as script:
        environ = {"AWS_ENDPOINT_URL_S3": script.url, "AWS_REGION": "r1"}
        with opened(S3Account(keys=KEYS), environ=environ) as place:
            assert place.get("s3://bucket/a") == b"a"
        assert script.requests[0].startswith("GET /bucket/a ")


def test_a_service_that_is_asked_for_too_much_says_so() -> None:
    with (
        scripted_server(answer(503, error("SlowDown"), retry_after="3")) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError) as caught,
    ):
        place.get("s3://bucket/a")

    assert (caught.value.transient, caught.value.throttled) == (True, True)
    assert caught.value.retry_after is not None


MD5 = hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(b"abc").hexdigest()


def test_what_is_sent_is_verified_by_both_sides() -> None:
    good, bad = answer(200, etag=f'"{MD5}"'), answer(200, etag=f'"{"0" * 32}"')
    with scripted_server(good, bad) as script, opened(at(script)) as place:
        place.put("s3://bucket/a", b"abc")
        assert f"x-amz-content-sha256: {SHA256}" in script.requests[0]

        with pytest.raises(StorageError, match="otherwise than it was sent") as caught:
            place.put("s3://bucket/a", b"abc")

    assert caught.value.transient


PARTS_ID = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
LARGE = 33 * 1024 * 1024  # two parts


def methods(script: Script) -> list[str]:
    lines = [each.partition(" HTTP")[0] for each in script.requests]
    return [line.replace("/bucket/a?", "") for line in lines]


def test_a_part_that_may_pass_is_sent_again_alone() -> None:
    busy = answer(503, error("SlowDown"))
    done = answer(200, b"<CompleteMultipartUploadResult/>")
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE
    parts = [answer(200, etag='"p"') for _ in range(2)]
    with (
        scripted_server(answer(200, PARTS_ID), busy, *parts, done, head) as script,
        opened(at(script)) as place,
    ):
        moved: list[int] = []
        place.put("s3://bucket/a", bytes(LARGE), advance=moved.append)

    assert sum(moved) == LARGE
    sent = methods(script)
    assert sent[0] == "POST uploads="
    assert len([each for each in sent if each.startswith("PUT")]) == 3
    assert b"<PartNumber>2</PartNumber>" in script.bodies[-2]


PART = answer(200, etag=f'"{"1" * 32}"', x_amz_server_side_encryption="aws:kms")
OF_BOTH = hashlib.md5(bytes.fromhex("1" * 32) * 2, usedforsecurity=False).hexdigest()
JOINED = {
    "it is busy for a moment": [
        answer(503, error("SlowDown")),
        answer(200, b"<CompleteMultipartUploadResult/>"),
    ],
    "it fails after it has begun to answer": [
        answer(200, error("InternalError")),
        answer(200, b"<CompleteMultipartUploadResult/>"),
    ],
    "its answer was lost": [
        b"",
        answer(404, error("NoSuchUpload")),
        b'HTTP/1.1 200 OK\r\netag: "%s-2"\r\ncontent-length: 1\r\n\r\n'
        % OF_BOTH.encode(),
    ],
}


@pytest.mark.parametrize("answers", JOINED.values(), ids=JOINED)
def test_parts_that_are_there_are_not_sent_again_because(answers: list[bytes]) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE
    with (
        scripted_server(answer(200, PARTS_ID), PART, PART, *answers, head) as script,
        opened(at(script)) as place,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    sent = methods(script)
    assert len([each for each in sent if each.startswith("PUT")]) == 2
    assert not [each for each in sent if each.startswith("DELETE")]


FAILURES = {
    "a part is refused": [answer(403, error("AccessDenied"))] * 2,
    "the parts are not joined": [
        *[answer(200, etag='"p"')] * 2,
        *[answer(200, error("InternalError", Message="later"))] * 4,
    ],
}


@pytest.mark.parametrize("answers", FAILURES.values(), ids=FAILURES)
def test_an_upload_that_fails_is_removed(answers: list[bytes]) -> None:
    with (
        scripted_server(answer(200, PARTS_ID), *answers, answer(204)) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError),
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert methods(script)[-1] == "DELETE uploadId=u"


LOST = {
    "nothing is there": answer(404),
    "what is there may not be read": answer(403),
    "other parts are there": answer(200, etag=f'"{"0" * 32}-2"').replace(
        b"content-length: 0", b"content-length: 1"
    ),
}


def test_parts_of_an_upload_that_is_gone_may_be_sent_anew() -> None:
    lost = answer(404, error("NoSuchUpload"))
    with (
        scripted_server(answer(200, PARTS_ID), lost, lost, lost) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError, match="lost its parts") as caught,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert caught.value.transient


@pytest.mark.parametrize("there", LOST.values(), ids=LOST)
def test_parts_that_are_lost_may_be_sent_again(there: bytes) -> None:
    lost = answer(404, error("NoSuchUpload"))
    with (
        scripted_server(answer(200, PARTS_ID), PART, PART, lost, there) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError, match="lost its parts") as caught,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert caught.value.transient
