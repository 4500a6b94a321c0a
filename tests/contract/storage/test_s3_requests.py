"""S3, on the wire: how many requests, where to, by which keys, what is tried again."""

import pytest

from contract.storage.scripted_s3 import KEYS, at, error, opened
from servers.scripted import Script, answer, scripted_server
from tesk_filer.domain.credentials import S3Account, S3Keys
from tesk_filer.ports import ChangedError, Part, Stat, StorageError

NEWER = S3Keys(access_key="AKIA2", secret_key="n3w", session_token="t0ken")


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
