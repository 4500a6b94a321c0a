"""Who the filer is at Google: tokens of keys, workloads and machines."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from contract.storage.at_once import THREADS, failures_at_once
from contract.storage.clouds import open_gs
from contract.storage.places import Place
from servers.gcs_faults import GcsFaults, account_key, gcs_faults
from servers.identities import TOKEN, Identities
from tesk_filer.adapters.storage.access_tokens import Lateness, open_metadata_client
from tesk_filer.adapters.storage.gs_credentials import GoogleTokens
from tesk_filer.adapters.storage.gs_keys import MachineIdentity
from tesk_filer.domain.credentials import GcsAccount
from tesk_filer.ports import StorageError

FLAVOR = {"Metadata-Flavor": "Google"}
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


@pytest.fixture
def google() -> Iterator[GcsFaults]:
    with gcs_faults() as server:
        server.content = b"content"
        yield server


def get_google(
    google: GcsFaults, environ: Mapping[str, str], key: str = "", *, times: int = 1
) -> None:
    """Get a file of Google's as the environment, or a key, says."""
    storage = open_gs(GcsAccount(endpoint=google.url, key=key), environ=environ)
    try:
        for _ in range(times):
            assert Place(storage, "").get("gs://bucket/a") == b"content"
    finally:
        storage.close()


def test_a_key_signs_for_the_account_and_the_storage_alone(
    google: GcsFaults, identities: Identities
) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    url = f"http://{identities.address}/token"
    key = {**account_key(url, pem.decode()), "quota_project_id": "payer"}

    get_google(google, {}, json.dumps(key), times=3)

    (asked,) = identities.asked
    assert (asked.path, asked.fields["grant_type"]) == ("/token", GRANT)
    decode: Any = jwt.decode  # without types
    claims = decode(asked.fields["assertion"], certs=public, audience=url)
    assert claims["iss"] == key["client_email"]
    assert claims["scope"] == SCOPE
    assert claims["exp"] - claims["iat"] == 3600
    assert set(google.authorizations) == {f"Bearer {TOKEN}"}


NO_KEYS = {
    "no JSON": "{",
    "a list": "[]",
    "without a name": '{"private_key": "s3cr3t", "token_uri": "http://127.0.0.1:9/"}',
    "a number for a name": json.dumps(
        {**account_key("u", "s3cr3t"), "client_email": 1}
    ),
    "no PEM": json.dumps(account_key("http://127.0.0.1:9/", "s3cr3t")),
}


@pytest.mark.parametrize("key", NO_KEYS.values(), ids=NO_KEYS)
def test_a_key_that_is_none_is_not_shown(google: GcsFaults, key: str) -> None:
    with pytest.raises(StorageError, match="not the key of a service") as caught:
        get_google(google, {}, key)

    assert "s3cr3t" not in caught.value.message
    assert not caught.value.transient


def test_a_file_of_the_environment_is_a_key(
    google: GcsFaults, identities: Identities, tmp_path: Path
) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(account_key(f"http://{identities.address}/token")))

    get_google(google, {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}, times=2)

    assert [each.path for each in identities.asked] == ["/token"]


def test_the_file_of_the_tools_is_found(
    google: GcsFaults, identities: Identities, tmp_path: Path
) -> None:
    file = tmp_path / ".config/gcloud/application_default_credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(account_key(f"http://{identities.address}/token")))

    get_google(google, {"HOME": str(tmp_path)})

    assert [each.path for each in identities.asked] == ["/token"]


def test_a_file_that_is_not_there_is_named(google: GcsFaults, tmp_path: Path) -> None:
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none")}

    with pytest.raises(StorageError, match="GOOGLE_APPLICATION_CREDENTIALS") as caught:
        get_google(google, environ)

    assert not caught.value.transient


def machine_of(identities: Identities, tmp_path: Path) -> dict[str, str]:
    """Return the variables of a machine of Google's."""
    return {"GCE_METADATA_HOST": identities.address, "HOME": str(tmp_path)}


def test_a_machine_of_google_is_asked_once(
    google: GcsFaults, identities: Identities, tmp_path: Path
) -> None:
    identities.headers = FLAVOR

    get_google(google, machine_of(identities, tmp_path), times=3)

    (asked,) = identities.asked
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    assert asked.path == path
    assert asked.headers["metadata-flavor"] == "Google"
    assert asked.fields == {"scopes": SCOPE}


def test_a_machine_without_an_account_has_no_credentials(
    google: GcsFaults, identities: Identities, tmp_path: Path
) -> None:
    identities.headers = FLAVOR
    identities.refusals = [(404, {})]

    with pytest.raises(StorageError, match="no credentials for Google") as caught:
        get_google(google, machine_of(identities, tmp_path))

    assert not caught.value.transient


def test_what_is_no_metadata_service_of_google_is_not_believed(
    google: GcsFaults, identities: Identities, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="no credentials for Google"):
        get_google(google, machine_of(identities, tmp_path))

    assert google.requests == []


def test_a_metadata_service_may_be_late_but_not_for_ever() -> None:
    seconds = iter([0.0, 1.0, 2.0, 2.0, 9.0, 10.0])
    lateness = Lateness(partial(next, seconds))
    environ = {"GCE_METADATA_HOST": "127.0.0.1:1"}
    machine = MachineIdentity(open_metadata_client(), environ, lateness=lateness)
    transient: list[bool] = []

    for _ in range(7):
        with pytest.raises(StorageError, match="no credentials for Google") as caught:
            machine.ask()
        transient.append(caught.value.transient)

    assert transient == [True] * 5 + [False] * 2


def test_a_metadata_service_that_has_answered_may_always_come_back(
    identities: Identities, tmp_path: Path
) -> None:
    identities.headers = FLAVOR
    seconds = iter([0.0])
    machine = MachineIdentity(
        open_metadata_client(),
        machine_of(identities, tmp_path),
        lateness=Lateness(partial(next, seconds)),
    )
    machine.ask()
    identities.hangs_up = True

    for _ in range(20):
        with pytest.raises(StorageError, match="does not answer") as caught:
            machine.ask()
        assert caught.value.transient
    identities.hangs_up = False
    assert machine.ask().text == TOKEN


OTHERS = {
    "a proxy that is busy": (503, {}),
    "a proxy that knows no such page": (404, {}),
    "itself, while the account is replaced": (404, FLAVOR),
}


@pytest.mark.parametrize(("status", "headers"), OTHERS.values(), ids=OTHERS)
def test_a_machine_that_has_given_tokens_does_so_again_after_an_answer_of(
    identities: Identities, tmp_path: Path, status: int, headers: dict[str, str]
) -> None:
    identities.headers = FLAVOR
    machine = MachineIdentity(open_metadata_client(), machine_of(identities, tmp_path))
    machine.ask()
    identities.headers = headers
    identities.refusals = [(status, {})]

    with pytest.raises(StorageError, match="does not answer") as caught:
        machine.ask()

    assert caught.value.transient
    identities.headers = FLAVOR
    assert machine.ask().text == TOKEN


def test_a_proxy_that_is_busy_is_a_metadata_service_that_is_late(
    identities: Identities, tmp_path: Path
) -> None:
    seconds = iter([0.0, 9.0, 10.0])
    identities.refusals = [(503, {})] * 3
    machine = MachineIdentity(
        open_metadata_client(),
        machine_of(identities, tmp_path),
        lateness=Lateness(partial(next, seconds)),
    )
    transient: list[bool] = []

    for _ in range(3):
        with pytest.raises(StorageError, match="no credentials for Google") as caught:
            machine.ask()
        transient.append(caught.value.transient)

    assert transient == [True, True, False]


WORKLOADS = "projects/1/locations/global/workloadIdentityPools"
WORKFORCE = "locations/global/workforcePools"


@pytest.fixture
def federated(
    identities: Identities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, str]]:
    """Return what makes the environment one of another cloud."""

    def make(pools: str) -> dict[str, str]:
        (tmp_path / "token").write_text("of-another-cloud")
        document = {
            "type": "external_account",
            "audience": f"//iam.googleapis.com/{pools}/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"http://{identities.address}/sts",
            "credential_source": {"file": str(tmp_path / "token")},
        }
        file = tmp_path / "federated.json"
        file.write_text(json.dumps(document))
        # google-auth reads it itself.
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}

    return make


BUSY = {"a failure": 503, "too many requests": 429}


@pytest.mark.parametrize("status", BUSY.values(), ids=BUSY)
@pytest.mark.parametrize("pools", [WORKLOADS, WORKFORCE])
def test_a_federated_identity_is_asked_for_again_after(
    google: GcsFaults,
    identities: Identities,
    federated: Callable[[str], dict[str, str]],
    pools: str,
    status: int,
) -> None:
    environ = federated(pools)
    identities.refusals = [(status, {"error": "unavailable"})] * 20
    storage = open_gs(GcsAccount(endpoint=google.url), environ=environ)
    with closing(storage):
        asked: list[int] = []
        for _ in range(2):
            with pytest.raises(StorageError) as caught:
                Place(storage, "").get("gs://bucket/a")
            assert caught.value.transient
            asked.append(len(identities.asked))

    assert asked[1] > asked[0]


def test_a_federated_identity_signs(
    google: GcsFaults,
    federated: Callable[[str], dict[str, str]],
) -> None:
    get_google(google, federated(WORKFORCE), times=2)

    assert set(google.authorizations) == {f"Bearer {TOKEN}"}


def test_a_refusal_of_google_is_a_lasting_error(
    google: GcsFaults, identities: Identities, tmp_path: Path
) -> None:
    identities.headers = FLAVOR
    identities.refusals = [(403, {"error": "access_denied", "x": "s3cr3t"})]

    with pytest.raises(StorageError, match=r"gives no token.*access_denied") as caught:
        get_google(google, machine_of(identities, tmp_path))

    assert not caught.value.transient
    assert "s3cr3t" not in caught.value.message


def test_threads_that_wait_for_a_token_share_a_failure(identities: Identities) -> None:
    identities.refusals = [(503, {"error": "x"})] * THREADS
    tokens = GoogleTokens(open_metadata_client(), {})
    key = json.dumps(account_key(f"http://{identities.address}/token"))

    assert failures_at_once(lambda: tokens.headers(GcsAccount(key=key))) == THREADS
    assert len(identities.asked) < THREADS
