"""What a process has of AWS: its variables, and the keys that services give it."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from servers.scripted import Script, answer
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.domain.credentials import S3Keys

STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{AccessKeyId}</AccessKeyId><SecretAccessKey>{SecretAccessKey}</SecretAccessKey>
<SessionToken>{Token}</SessionToken><Expiration>{Expiration}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
ROLE = "arn:aws:iam::123456789012:role/data"


class Seconds:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def know_nothing(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Be a machine that knows nothing of AWS."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def given(name: str, lifetime: timedelta = timedelta(hours=1)) -> dict[str, str]:
    """Return keys as services of AWS tell them."""
    return {
        "Code": "Success",
        "AccessKeyId": name,
        "SecretAccessKey": f"secret-of-{name}",
        "Token": f"token-of-{name}",
        "Expiration": (datetime.now(UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def want(name: str) -> S3Keys:
    return S3Keys(
        access_key=name,
        secret_key=f"secret-of-{name}",
        session_token=f"token-of-{name}",
    )


def environment(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds | None = None, **named: str
) -> AwsEnvironment:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    return AwsEnvironment(os.environ, monotonic=seconds or Seconds())


def as_service_account(
    monkeypatch: pytest.MonkeyPatch,
    script: Script,
    folder: Path,
    seconds: Seconds | None = None,
) -> AwsEnvironment:
    (folder / "token").write_text("of-the-cluster")
    return environment(
        monkeypatch,
        seconds,
        AWS_ROLE_ARN=ROLE,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(folder / "token"),
        AWS_ENDPOINT_URL_STS=script.url,
    )


def sts(keys: Mapping[str, str]) -> bytes:
    return answer(200, STS.format(**keys).encode(), content_type="text/xml")
