"""Who the filer is where the AWS SDK makes the requests: whom it is for all others."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.aws import (
    Seconds,
    as_service_account,
    environment,
    given,
    sts,
)
from contract.storage.places import TIMEOUTS
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3_clients import S3Clients
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_sdk import S3SdkObjects
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.domain.credentials import S3Account
from tesk_filer.ports import StorageError
from tesk_model.locations import parse_location

OBJECT = parse_location("s3://bucket/key")


pytestmark = pytest.mark.usefixtures("without_aws")


@pytest.fixture
def s3() -> Iterator[Script]:
    """A service with an empty object."""
    with scripted_server(*[answer(200)] * 3) as script:
        yield script


@contextmanager
def opened(s3: Script, found: AwsEnvironment) -> Iterator[ObjectStorage]:
    account = SettingCredentials(s3=S3Account(endpoint=s3.url))
    clients = S3Clients(account, found, timeouts=TIMEOUTS, connections=1)
    with closing(ObjectStorage(S3SdkObjects(clients))) as storage:
        yield storage


def signers(s3: Script) -> list[str]:
    """Return by which keys the requests are signed."""
    return [each.partition("Credential=")[2].partition("/")[0] for each in s3.requests]


def test_the_agent_of_a_pod_may_come_back(
    monkeypatch: pytest.MonkeyPatch, s3: Script
) -> None:
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    keys = answer(200, json.dumps(given("A")).encode())
    with scripted_server(b"", b"", b"", keys) as agent:
        url = f"{agent.url}/v1/credentials"
        found = environment(monkeypatch, AWS_CONTAINER_CREDENTIALS_FULL_URI=url)
        with opened(s3, found) as storage:
            with pytest.raises(StorageError, match="keys of AWS does not") as caught:
                storage.stat(OBJECT)
            assert caught.value.transient

            assert storage.stat(OBJECT) is not None
    assert signers(s3) == ["A"]


def test_the_service_of_a_machine_may_be_late(
    monkeypatch: pytest.MonkeyPatch, s3: Script
) -> None:
    keys = answer(200, json.dumps(given("A")).encode())
    late = [b""] * 6  # tries
    answers = (*late, answer(200, b"t0ken"), answer(200, b"node"), keys)
    with scripted_server(*answers) as service:
        found = environment(
            monkeypatch,
            AWS_EC2_METADATA_DISABLED="false",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=service.url,
        )
        with opened(s3, found) as storage:
            with pytest.raises(StorageError, match="no credentials for S3") as caught:
                storage.stat(OBJECT)
            assert caught.value.transient

            assert storage.stat(OBJECT) is not None
    assert signers(s3) == ["A"]


def test_a_client_signs_by_the_keys_that_are_renewed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, s3: Script
) -> None:
    seconds = Seconds()
    soon = given("A", timedelta(minutes=2))
    with scripted_server(sts(soon), sts(given("B"))) as service:
        found = as_service_account(monkeypatch, service, tmp_path, seconds)
        with opened(s3, found) as storage:
            storage.stat(OBJECT)
            seconds.now += 1
            storage.stat(OBJECT)
    assert signers(s3) == ["A", "B"]


def test_who_has_no_role_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, s3: Script
) -> None:
    with (
        opened(s3, environment(monkeypatch)) as storage,
        pytest.raises(StorageError, match="AWS_ACCESS_KEY_ID") as caught,
    ):
        storage.stat(OBJECT)

    assert not caught.value.transient


def test_who_is_nobody_signs_nothing(
    monkeypatch: pytest.MonkeyPatch, s3: Script
) -> None:
    account = SettingCredentials(s3=S3Account(endpoint=s3.url, anonymous=True))
    clients = S3Clients(
        account, environment(monkeypatch), timeouts=TIMEOUTS, connections=1
    )
    with closing(ObjectStorage(S3SdkObjects(clients))) as storage:
        assert storage.stat(OBJECT) is not None

    assert signers(s3) == [""]
