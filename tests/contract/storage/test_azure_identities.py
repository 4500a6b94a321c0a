"""Who the filer is at Azure: tokens of applications, workloads and machines."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from contract.storage.at_once import THREADS, failures_at_once
from contract.storage.clouds import open_azure
from contract.storage.places import Place
from files.certificates import Authority
from servers.azure import Blob, BlobFiles, azure_server
from servers.identities import TOKEN, Identities
from tesk_filer.adapters.storage.access_tokens import Lateness, open_metadata_client
from tesk_filer.adapters.storage.azure_tokens import AzureTokens
from tesk_filer.domain.credentials import AzureAccount
from tesk_filer.ports import StorageError


@pytest.fixture
def azure() -> Iterator[BlobFiles]:
    with azure_server() as server:
        server.token = TOKEN
        server.put("data/a", Blob(b"content", ""))
        yield server


def get_azure(azure: BlobFiles, environ: Mapping[str, str], *, times: int = 1) -> None:
    """Get a file of Azure's as the environment says."""
    storage = open_azure(AzureAccount(endpoint=azure.endpoint), environ)
    try:
        for _ in range(times):
            assert Place(storage, "").get("az://data/a") == b"content"
    finally:
        storage.close()


APPLICATION = {
    "AZURE_TENANT_ID": "tenant",
    "AZURE_CLIENT_ID": "client",
    "AZURE_CLIENT_SECRET": "s3cr3t-of-azure",
}


def authority_of(identities: Identities) -> dict[str, str]:
    return {**APPLICATION, "AZURE_AUTHORITY_HOST": f"http://{identities.address}/"}


def test_an_application_of_azure_is_asked_once(
    azure: BlobFiles, identities: Identities
) -> None:
    get_azure(azure, authority_of(identities), times=3)

    (asked,) = identities.asked
    assert asked.path == "/tenant/oauth2/v2.0/token"
    assert asked.fields == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": "s3cr3t-of-azure",
        "scope": "https://storage.azure.com/.default",
    }


def test_an_application_that_is_refused_is_a_lasting_error(
    azure: BlobFiles, identities: Identities
) -> None:
    identities.refusals = [(401, {"error": "invalid_client"})]

    with pytest.raises(StorageError, match="AZURE_CLIENT_SECRET") as caught:
        get_azure(azure, authority_of(identities))

    assert "invalid_client" in caught.value.message
    assert "s3cr3t" not in caught.value.message
    assert not caught.value.transient


CLIENTS = {
    "of the machine": ({}, None),
    "that the user assigned": ({"AZURE_CLIENT_ID": "client"}, "client"),
}


@pytest.mark.parametrize(("variables", "client"), CLIENTS.values(), ids=CLIENTS)
def test_a_managed_identity_is_asked_once(
    azure: BlobFiles,
    identities: Identities,
    variables: Mapping[str, str],
    client: str | None,
) -> None:
    host = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{identities.address}"}

    get_azure(azure, {**variables, **host}, times=3)

    (asked,) = identities.asked
    assert asked.path == "/metadata/identity/oauth2/token"
    assert asked.headers["metadata"] == "true"
    assert asked.fields["resource"] == "https://storage.azure.com/"
    assert asked.fields.get("client_id") == client


def test_a_machine_that_is_azures_stays_so_while_its_service_is_updated(
    identities: Identities,
) -> None:
    host = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{identities.address}"}
    identities.refusals = [
        (200, {"access_token": "short", "expires_in": 0}),
        (404, {"error": "x"}),
    ]
    tokens = AzureTokens(open_metadata_client(), host)
    assert tokens.token() == "short"

    with pytest.raises(StorageError, match="in time") as caught:
        tokens.token()

    assert caught.value.transient
    assert tokens.token() == TOKEN


MANAGED = {
    "no such identity": (400, "refuses the managed identity.*invalid_request", False),
    "an update of the service": (410, "in time", True),
    "too many requests": (429, "HTTP 429", True),
    "a failure": (500, "HTTP 500", True),
}


@pytest.mark.parametrize(
    ("status", "message", "transient"), MANAGED.values(), ids=MANAGED
)
def test_a_managed_identity_is_refused_by(
    azure: BlobFiles,
    identities: Identities,
    status: int,
    message: str,
    transient: bool,
) -> None:
    host = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{identities.address}"}
    identities.refusals = [(status, {"error": "invalid_request"})]

    with pytest.raises(StorageError, match=message) as caught:
        get_azure(azure, host)

    assert caught.value.transient is transient


def test_a_service_of_identities_that_the_environment_names_may_come_back(
    azure: BlobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"IDENTITY_ENDPOINT": "http://127.0.0.1:1", "IDENTITY_HEADER": "x"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)  # the library reads them itself

    with pytest.raises(StorageError, match="in time") as caught:
        get_azure(azure, environ)

    assert caught.value.transient


def test_a_certificate_that_is_of_no_use_is_a_lasting_error(
    azure: BlobFiles,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = authority.issue("127.0.0.1")  # its key is not of RSA
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    environ = {
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_CERTIFICATE_PATH": str(both),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(StorageError, match="no credentials for Azure") as caught:
        get_azure(azure, environ)

    assert not caught.value.transient


def test_a_service_that_answers_no_token_is_a_lasting_error(
    azure: BlobFiles, identities: Identities
) -> None:
    identities.refusals = [(200, {"access_token": TOKEN})]

    with pytest.raises(StorageError, match="what is no token") as caught:
        get_azure(azure, authority_of(identities))

    assert not caught.value.transient


def test_the_service_of_an_azure_machine_may_be_late_but_not_for_ever() -> None:
    seconds = iter([0.0, 1.0, 11.0])
    tokens = AzureTokens(
        open_metadata_client(),
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"},
        lateness=Lateness(partial(next, seconds)),
    )
    transient: list[bool] = []

    for _ in range(4):
        with pytest.raises(StorageError) as caught:
            tokens.token()
        transient.append(caught.value.transient)

    assert transient == [True, True, False, False]


def test_threads_that_wait_for_a_token_share_a_failure(identities: Identities) -> None:
    identities.refusals = [(503, {"error": "x"})] * THREADS
    tokens = AzureTokens(open_metadata_client(), authority_of(identities))

    assert failures_at_once(tokens.token) == THREADS
    assert len(identities.asked) < THREADS
