"""Our signatures are those of the AWS tools."""

import hashlib
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.adapters.storage.s3_signature import (
    Signer,
    Unsigned,
    encode_key,
    encode_query,
)
from tesk_filer.domain.credentials import S3Keys

HOST = "minio.example.org:9000"
CONTENT = hashlib.sha256().hexdigest()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def theirs(method: str, url: str, keys: S3Keys, headers: dict[str, str]) -> str:
    """Return the signature of botocore, of now."""
    request = AWSRequest(method, url, headers={})
    for name, value in headers.items():
        request.headers[name] = value
    credentials = Credentials(
        keys.access_key, keys.secret_key, keys.session_token or None
    )
    auth = S3SigV4Auth(credentials, "s3", "eu-west-1")
    auth.add_auth(request)
    return f"{request.context['timestamp']} {request.headers['Authorization']}"


@given(
    key=TEXT,
    query=st.dictionaries(TEXT, TEXT, max_size=3),
    token=st.sampled_from(["", "a/token+of=characters"]),
    etag=st.sampled_from(['"abc-2"', "a  b"]),
)
def test_any_request_is_signed_as_by_the_aws_tools(
    key: str, query: dict[str, str], token: str, etag: str
) -> None:
    keys = S3Keys(access_key="AKIA", secret_key="s/cr+t", session_token=token)
    path, rest = f"/bucket/{encode_key(key)}", encode_query(query)
    headers = {"host": HOST, "if-match": etag}

    expected = theirs("GET", f"http://{HOST}{path}?{rest}", keys, headers)

    timestamp, _, authorization = expected.partition(" ")
    now = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    unsigned = Unsigned(
        method="GET", path=path, query=rest, headers=headers, content=CONTENT
    )
    signed = Signer().sign(unsigned, keys, region="eu-west-1", now=now)
    assert signed["authorization"] == authorization


def test_a_signature_follows_the_keys_and_the_day() -> None:
    signer = Signer()
    unsigned = Unsigned(
        method="GET", path="/b/k", query="", headers={"host": HOST}, content=CONTENT
    )

    def sign(signer: Signer, secret: str, day: int) -> str:
        keys = S3Keys(access_key="AKIA", secret_key=secret)
        now = datetime(2026, 1, day, tzinfo=UTC)
        return signer.sign(unsigned, keys, region="eu-west-1", now=now)["authorization"]

    for secret, day in (("a", 1), ("b", 1), ("b", 2), ("a", 1)):
        assert sign(signer, secret, day) == sign(Signer(), secret, day)


@pytest.mark.parametrize(
    "key", ["a//b", "/a", "a/", "./a/../b", "a b+c%20?#&=é日\x01~"]
)
def test_a_key_stays_literal_in_its_url(key: str) -> None:
    assert unquote(encode_key(key)) == key
    assert encode_key(key).count("/") == key.count("/")


def test_a_signature_shows_no_secret() -> None:
    keys = S3Keys(access_key="AKIA", secret_key="s3cr3t", session_token="t0ken")
    signer = Signer()
    unsigned = Unsigned(
        method="GET", path="/b/k", query="", headers={"host": HOST}, content=CONTENT
    )

    signed = signer.sign(
        unsigned, keys, region="r", now=datetime(2026, 1, 1, tzinfo=UTC)
    )

    assert "s3cr3t" not in f"{signed} {signer!r} {keys!r}"
    assert "t0ken" not in f"{signer!r} {keys!r}"
