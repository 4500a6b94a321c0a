"""Roles of AWS: of a service account (IRSA), of a pod, of a machine."""

import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import CredentialRetrievalError

from contract.storage.aws import (
    ROLE,
    Seconds,
    as_service_account,
    environment,
    given,
    sts,
    want,
)
from servers.scripted import answer, scripted_server
from tesk_filer.adapters.storage.s3_identity_errors import explain_no_keys
from tesk_filer.ports import StorageError

pytestmark = pytest.mark.usefixtures("without_aws")


def test_a_service_account_is_exchanged_for_a_role_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with scripted_server(sts(given("A"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path)

        assert [found.keys() for _ in range(3)] == [want("A")] * 3

        (body,) = script.bodies
        asked = parse_qs(body.decode())
    assert asked["Action"] == ["AssumeRoleWithWebIdentity"]
    assert asked["RoleArn"] == [ROLE]
    assert asked["WebIdentityToken"] == ["of-the-cluster"]


def test_a_pod_gets_the_keys_of_its_agent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("of-the-pod")
    with scripted_server(answer(200, json.dumps(given("A")).encode())) as script:
        found = environment(
            monkeypatch,
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{script.url}/v1/credentials",
            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "token"),
        )

        assert found.keys() == want("A")

        (asked,) = script.requests
    assert "authorization: of-the-pod" in asked.lower()


def test_a_machine_has_the_keys_of_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = (
        answer(200, b"t0ken"),
        answer(200, b"node"),
        answer(200, json.dumps(given("A")).encode()),
    )
    with scripted_server(*answers) as script:
        found = environment(
            monkeypatch,
            AWS_EC2_METADATA_DISABLED="false",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=script.url,
        )

        assert found.keys() == want("A")

        paths = [each.split()[1] for each in script.requests]
    assert paths == [
        "/latest/api/token",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/iam/security-credentials/node",
    ]


REFUSED = (
    "<ErrorResponse><Error><Code>{}</Code><Message>no</Message></Error></ErrorResponse>"
)
FAILURES = {
    "whom the role does not trust": (403, "AccessDenied", False),
    "whose token has ended": (400, "ExpiredTokenException", False),
    "when the cluster's keys cannot be read": (400, "IDPCommunicationError", True),
    "too often": (400, "Throttling", True),
    "while it is away": (503, "ServiceUnavailable", True),
}


@pytest.mark.parametrize(
    ("status", "code", "transient"), FAILURES.values(), ids=FAILURES
)
def test_the_service_gives_no_keys_to_one(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    code: str,
    *,
    transient: bool,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    refused = answer(status, REFUSED.format(code).encode(), content_type="text/xml")
    with scripted_server(refused) as script:
        found = as_service_account(monkeypatch, script, tmp_path)

        with pytest.raises(StorageError, match=rf"{code}.*whom the role") as caught:
            found.keys()

    assert caught.value.transient is transient


TEXT = b"upstream connect error or disconnect/reset before headers"
PAGE = b"<!DOCTYPE html><html><br></html>"
PROXIES = {
    "is away": (503, TEXT, True),
    "is away, and says so by a page": (502, PAGE, True),
    "limits requests": (429, TEXT, True),
    "forbids them": (403, PAGE, False),
}


@pytest.mark.parametrize(("status", "body", "transient"), PROXIES.values(), ids=PROXIES)
def test_the_service_is_behind_a_proxy_that(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    body: bytes,
    *,
    transient: bool,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with scripted_server(answer(status, body)) as script:
        found = as_service_account(monkeypatch, script, tmp_path)

        with pytest.raises(StorageError, match=rf"HTTP {status}.*the role") as caught:
            found.keys()

    assert caught.value.transient is transient


def test_a_service_that_is_not_there_may_come_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with scripted_server() as script:
        found = as_service_account(monkeypatch, script, tmp_path)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")

        with pytest.raises(StorageError, match="connection refused") as caught:
            found.keys()

    assert caught.value.transient


def test_a_token_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with scripted_server() as script:
        found = as_service_account(monkeypatch, script, tmp_path)
        (tmp_path / "token").unlink()

        with pytest.raises(StorageError, match="AWS_WEB_IDENTITY_TOKEN") as caught:
            found.keys()

    assert not caught.value.transient


def test_the_service_of_a_machine_may_be_late_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds
) -> None:
    found = environment(
        monkeypatch,
        seconds,
        AWS_EC2_METADATA_DISABLED="false",
        AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:1",
    )
    transient: list[bool] = []

    for now in (0, 9, 10):
        seconds.now = now
        with pytest.raises(StorageError, match="no credentials for S3") as caught:
            found.keys()
        transient.append(caught.value.transient)

    assert transient == [True, True, False]


def test_the_service_of_a_machine_that_has_given_keys_may_always_come_back(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds
) -> None:
    keys = json.dumps(given("A")).encode()
    answers = (answer(200, b"t0ken"), answer(200, b"node"), answer(200, keys))
    with scripted_server(*answers) as script:
        found = environment(
            monkeypatch,
            seconds,
            AWS_EC2_METADATA_DISABLED="false",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=script.url,
        )
        assert found.keys() == want("A")
        seconds.now += 20_000

        with pytest.raises(StorageError) as caught:
            found.others(want("A"), doubted=False)

    assert caught.value.transient


PASSING = {
    # botocore says so when the service is busy: it asks minutes before the end of keys.
    "no keys of a machine": CredentialRetrievalError(
        provider="iam-role", error_msg="no access_key"
    ),
    "keys whose time is over": RuntimeError("refreshed credentials are still expired"),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_a_service_is_asked_again_if_it_gives(error: Exception) -> None:
    known = explain_no_keys(error)

    assert known is not None
    assert known.transient


def test_what_the_library_does_not_say_is_not_taken_for_missing_keys() -> None:
    assert explain_no_keys(AttributeError("x")) is None


AGENTS = {"it refuses": (answer(403), False), "it is away": (b"", True)}


@pytest.mark.parametrize(("told", "transient"), AGENTS.values(), ids=AGENTS)
def test_the_agent_of_a_pod_gives_no_keys(
    monkeypatch: pytest.MonkeyPatch, told: bytes, *, transient: bool
) -> None:
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    with scripted_server(*[told] * 3) as script:
        url = f"{script.url}/v1/credentials"
        found = environment(monkeypatch, AWS_CONTAINER_CREDENTIALS_FULL_URI=url)

        with pytest.raises(StorageError, match="the filer") as caught:
            found.keys()

    assert caught.value.transient is transient


def test_who_has_no_role_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="AWS_ACCESS_KEY_ID") as caught:
        environment(monkeypatch).keys()

    assert not caught.value.transient


def test_a_profile_that_is_not_there_is_no_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(
        StorageError, match=r"no credentials.*ProfileNotFound"
    ) as caught:
        environment(monkeypatch, AWS_PROFILE="nobody").keys()

    assert not caught.value.transient
