"""Identities of Azure that its library asks for: of certificates and of applications."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from files.certificates import Authority, self_signed
from servers.identities import TOKEN, Identities, identity_server
from tesk_filer.adapters.storage.access_tokens import open_metadata_client
from tesk_filer.adapters.storage.azure_tokens import AzureTokens
from tesk_filer.ports import StorageError

NO_PAUSE = {"Retry-After": "0"}  # msal repeats no refusal without asking, either
TRIES = 4  # of the library


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the library try again without a pause."""

    def pause(*_args: object) -> float:
        return 0

    monkeypatch.setattr(
        "azure.core.pipeline.policies.RetryPolicy.get_backoff_time", pause
    )


def tokens_of(monkeypatch: pytest.MonkeyPatch, **environ: str) -> AzureTokens:
    """Return the tokens of an environment that the library reads itself."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return AzureTokens(open_metadata_client(), environ)


@pytest.fixture
def entra(authority: Authority) -> Iterator[Identities]:
    """An authority that clients speak TLS with."""
    pair = authority.issue("127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.certificate, pair.key)
    with identity_server(tls) as server:
        server.headers = NO_PAUSE
        yield server


@pytest.fixture
def certified(
    entra: Identities,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AzureTokens:
    """An application with a certificate."""
    url = f"https://{entra.address}"
    endpoint = f"{url}/token"
    entra.discovery = {"authorization_endpoint": endpoint, "token_endpoint": endpoint}
    return tokens_of(
        monkeypatch,
        AZURE_TENANT_ID="adfs",  # whose authority the library does not look up
        AZURE_CLIENT_ID="client",
        AZURE_CLIENT_CERTIFICATE_PATH=str(own_certificate(tmp_path)),
        AZURE_AUTHORITY_HOST=url,
        REQUESTS_CA_BUNDLE=str(authority.certificate),
    )


def own_certificate(folder: Path) -> Path:
    """Return a file with a key of RSA, which Azure wants, and its certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = folder / "application.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + self_signed("application", key)
    )
    return file


BUSY = {
    "a failure": (500, {"statusCode": 500, "message": "x"}),
    "too many requests": (429, {"error": "x"}),
    "a proxy that is away": (502, b"<html>bad gateway</html>"),
    "a list": (503, b"[]"),
}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("status", "document"), BUSY.values(), ids=BUSY)
def test_a_service_of_identities_that_the_environment_names_is_asked_again_after(
    identities: Identities,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    document: Mapping[str, object] | bytes,
) -> None:
    tokens = tokens_of(
        monkeypatch,
        IDENTITY_ENDPOINT=f"http://{identities.address}/token",
        IDENTITY_HEADER="x",
    )
    identities.headers = NO_PAUSE
    identities.refusals = [(status, document)] * TRIES

    with pytest.raises(StorageError, match="in time") as caught:
        tokens.token()

    assert caught.value.transient
    assert identities.refusals == []
    assert tokens.token() == TOKEN


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("status", "document"), BUSY.values(), ids=BUSY)
def test_an_application_with_a_certificate_is_asked_again_after(
    certified: AzureTokens,
    entra: Identities,
    status: int,
    document: Mapping[str, object] | bytes,
) -> None:
    entra.refusals = [(status, document)] * TRIES

    with pytest.raises(StorageError, match="in time") as caught:
        certified.token()

    assert caught.value.transient
    assert entra.refusals == []
    assert certified.token() == TOKEN


@pytest.mark.usefixtures("hasty")
def test_what_the_library_repeats_without_asking_may_pass_as_well(
    certified: AzureTokens, entra: Identities
) -> None:
    entra.headers = {}
    entra.refusals = [(503, {"error": "x"})] * TRIES

    for _ in range(2):
        with pytest.raises(StorageError, match="in time") as caught:
            certified.token()
        assert caught.value.transient

    assert len(entra.asked) == TRIES


@pytest.mark.usefixtures("hasty")
def test_an_application_with_a_certificate_uses_its_token_while_its_service_is_away(
    certified: AzureTokens, entra: Identities
) -> None:
    short = {"access_token": "short", "expires_in": 200, "token_type": "Bearer"}
    entra.refusals = [(200, short), *[(503, {"error": "x"})] * TRIES]

    assert [certified.token() for _ in range(3)] == ["short"] * 3
    assert entra.refusals == []


def test_an_application_with_a_certificate_that_is_refused_is_a_lasting_error(
    certified: AzureTokens, entra: Identities
) -> None:
    entra.headers = {}
    entra.refusals = [(401, {"error": "invalid_client"})]

    for _ in range(2):
        with pytest.raises(StorageError, match="no credentials for Azure") as caught:
            certified.token()
        assert not caught.value.transient

    assert len(entra.asked) == 1


def test_an_application_with_a_certificate_that_has_had_tokens_is_asked_again(
    certified: AzureTokens, entra: Identities
) -> None:
    short = {"access_token": "short", "expires_in": 0, "token_type": "Bearer"}
    entra.headers = {}
    entra.refusals = [(200, short), (401, {"error": "invalid_client"})]
    certified.token()

    with pytest.raises(StorageError, match="no credentials for Azure"):
        certified.token()

    assert certified.token() == TOKEN
