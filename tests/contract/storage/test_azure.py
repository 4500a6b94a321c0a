"""Azure: credentials, urls, blocks, directories of data lakes, errors."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.clouds import open_azure
from contract.storage.places import Place
from servers.azure import ASSERTION, KEY, SIGNATURE, Blob, BlobFiles, azure_server
from tesk_filer.domain.credentials import AzureAccount, Credential
from tesk_filer.ports import HaltedError, StorageError

LARGE = bytes(range(256)) * 4096 * 33  # more than one request holds


@pytest.fixture
def server() -> Iterator[BlobFiles]:
    with azure_server() as files:
        yield files


@pytest.fixture
def azure(server: BlobFiles) -> Iterator[Place]:
    yield from _opened(AzureAccount(endpoint=server.endpoint, key=KEY))


def _opened(credential: Credential | None) -> Iterator[Place]:
    storage = open_azure(credential)
    yield Place(storage, "az://data/base", has_directories=False)
    storage.close()


def test_a_large_file_is_sent_in_blocks_and_appears_whole(
    azure: Place, server: BlobFiles
) -> None:
    moved: list[int] = []

    azure.put(azure.at("a"), LARGE, advance=moved.append)

    assert azure.get(azure.at("a")) == LARGE
    assert sum(moved) == len(LARGE)
    assert sum("comp=block&" in each for each in server.requests) == 5


def test_blocks_that_are_there_are_not_sent_again_because_their_list_is_refused(
    azure: Place, server: BlobFiles
) -> None:
    server.retry_after = "0"
    server.faults["PUT"] = [*[None] * 5, (503, "ServerBusy")]

    azure.put(azure.at("a"), LARGE)

    assert azure.get(azure.at("a")) == LARGE
    assert sum("comp=block&" in each for each in server.requests) == 5


def test_a_block_that_is_refused_for_good_ends_the_upload(
    azure: Place, server: BlobFiles
) -> None:
    server.faults["PUT"] = [(403, "AuthorizationFailure")]

    with pytest.raises(StorageError, match="access denied"):
        azure.put(azure.at("a"), LARGE)

    assert server.blobs == {}
    assert sum("comp=block" in each for each in server.requests) < 5


def test_an_upload_that_is_stopped_shows_nothing(
    azure: Place, server: BlobFiles
) -> None:
    moved: list[int] = []

    def halt(size: int) -> None:
        moved.append(size)
        if sum(moved) > 8_000_000:
            raise HaltedError

    with pytest.raises(HaltedError):
        azure.put(azure.at("a"), LARGE, advance=halt)

    assert azure.stat(azure.at("a")) is None
    assert server.blobs == {}


def test_listings_go_on_beyond_a_page(azure: Place, server: BlobFiles) -> None:
    server.page = 2
    names = [f"{number:02}" for number in range(7)]
    for name in names:
        azure.put(azure.at(name), b"x")

    assert [len(page.entries) for page in azure.pages(azure.url)] == [2, 2, 2, 1]
    assert [entry.name for entry in azure.walk(azure.url)] == names


def test_what_a_listing_told_needs_no_further_request(
    azure: Place, server: BlobFiles
) -> None:
    azure.put(azure.at("a"), b"content")
    [entry] = azure.walk(azure.url)
    server.requests.clear()

    assert azure.get(azure.at("a"), known=entry) == b"content"
    assert [each.partition(" ")[0] for each in server.requests] == ["GET"]
    assert entry.checksums == {"md5": "9a0364b9e99bb480dd25e1f0284c8555"}


FOLDERS = {"data/base/d": {"hdi_isfolder": "true"}, "data/base/e/": {}}


def test_placeholders_of_directories_are_none_of_the_files(
    azure: Place, server: BlobFiles
) -> None:
    for name, metadata in FOLDERS.items():
        server.put(name, Blob(b"", "", metadata=metadata))
    azure.put(azure.at("d/a"), b"x")

    assert [entry.name for entry in azure.walk(azure.url)] == ["d/a"]
    found = azure.stat(azure.at("d"))
    assert found is not None
    assert found.is_directory
    with pytest.raises(StorageError, match="give the input type DIRECTORY"):
        azure.get(azure.at("d"))


ACCOUNTS = {
    "a shared key": AzureAccount(key=KEY),
    "a shared access signature": AzureAccount(sas=f"sv=2021&sig={SIGNATURE}"),
    "with its question mark": AzureAccount(sas=f"?sv=2021&sig={SIGNATURE}"),
    "nothing": AzureAccount(anonymous=True),
}


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
def test_requests_are_let_in_by(server: BlobFiles, account: AzureAccount) -> None:
    server.is_public = account.anonymous
    sas = account.sas.replace("/", "%2F").replace("=", "%3D").replace("sig%3D", "sig=")
    opened = AzureAccount(
        endpoint=server.endpoint + "/",
        key=account.key,
        sas=sas.replace("sv%3D", "sv="),
        anonymous=account.anonymous,
    )
    for place in _opened(opened):
        place.put(place.at("a b"), b"x")

        assert place.get(place.at("a b")) == b"x"
        assert [entry.name for entry in place.walk(place.url)] == ["a b"]


URLS = {
    "abfs": "abfs://data@account.dfs.core.windows.net/base/a%20b",
    "abfss": "abfss://data@account.dfs.core.windows.net/base/a%20b",
    "https": "{endpoint}/data/base/a%2520b",
    "https with a checksum": f"{{endpoint}}/data/base/a%2520b#sha256={'0' * 64}",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_a_blob_has_several_urls(azure: Place, server: BlobFiles, url: str) -> None:
    azure.put("az://data/base/a%20b", b"x")

    assert azure.get(url.format(endpoint=server.endpoint)) == b"x"


REFUSED = {
    "az of no account": ("az://data/a", "no storage account is known"),
    "a host that is none of Azure's": (
        "abfss://data@evil.example/a",
        "is no storage account of Azure",
    ),
    "a host that looks like one": (
        "abfss://data@account.dfs.core.windows.net.evil.example/a",
        "is no storage account of Azure",
    ),
}


@pytest.mark.parametrize(("url", "message"), REFUSED.values(), ids=REFUSED)
def test_no_token_is_sent_to(url: str, message: str) -> None:
    for place in _opened(None):
        with pytest.raises(StorageError, match=message) as caught:
            place.get(url)

        assert not caught.value.transient


def test_a_name_of_dots_is_refused(azure: Place) -> None:
    with pytest.raises(StorageError, match="Azure has no such name"):
        azure.get("az://data/a/../b")


def test_a_wrong_key_is_a_lasting_error_without_secrets(server: BlobFiles) -> None:
    wrong = AzureAccount(endpoint=server.endpoint, key="d3Jvbmcga2V5")
    for place in _opened(wrong):
        with pytest.raises(StorageError, match="access denied") as caught:
            place.get(place.at("a"))

        assert not caught.value.transient
        assert caught.value.message == (
            "access denied (AuthenticationFailed, HTTP 403); check the credentials of "
            "the filer and its roles at the account"
        )
        assert "d3Jvbmcga2V5" not in repr(wrong)


ERRORS = {
    "busy": (503, "ServerBusy", True, True),
    "too many requests": (429, "", True, True),
    "a failure of the service": (500, "InternalError", True, False),
    "not allowed": (403, "AuthorizationFailure", False, False),
    "no container": (404, "ContainerNotFound", False, False),
    "archived": (409, "BlobArchived", False, False),
    "not implemented": (501, "", False, False),
}


@pytest.mark.parametrize(
    ("status", "code", "transient", "throttled"), ERRORS.values(), ids=ERRORS
)
def test_errors_are_told_as_lasting_or_passing(
    azure: Place,
    server: BlobFiles,
    status: int,
    code: str,
    *,
    transient: bool,
    throttled: bool,
) -> None:
    azure.put(azure.at("a"), b"x")
    [known] = azure.walk(azure.url)
    server.faults["GET"] = [(status, code)]

    with pytest.raises(StorageError) as caught:
        azure.get(azure.at("a"), known=known)

    error = caught.value
    assert (error.transient, error.throttled) == (transient, throttled)
    assert error.retry_after == timedelta(seconds=7)
    assert "http://" not in error.message


def test_what_arrives_damaged_is_refused_by_the_service_and_may_pass(
    azure: Place, server: BlobFiles
) -> None:
    server.faults["PUT"] = [(400, "Md5Mismatch")]

    with pytest.raises(StorageError, match="other bytes arrived") as caught:
        azure.put(azure.at("a"), b"x")

    assert caught.value.transient


def test_a_file_that_nobody_listed_takes_one_request(
    azure: Place, server: BlobFiles
) -> None:
    azure.put(azure.at("a"), b"content")
    server.requests.clear()

    with azure.open(azure.at("a")) as reader:
        assert reader.read(100) == b"content"
        assert reader.checksums == {"md5": "9a0364b9e99bb480dd25e1f0284c8555"}

    assert len(server.requests) == 1


@pytest.fixture
def workload(server: BlobFiles, tmp_path: Path) -> dict[str, str]:
    """Give the variables of a pod with a workload identity."""
    file = tmp_path / "token"
    file.write_text(f"{ASSERTION}\n")
    return {
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "client",
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
        "AZURE_AUTHORITY_HOST": server.endpoint.removesuffix("/account"),
    }


def test_a_workload_identity_is_exchanged_for_a_token_once(
    server: BlobFiles, workload: dict[str, str]
) -> None:
    storage = open_azure(AzureAccount(endpoint=server.endpoint), workload)
    place = Place(storage, "az://data/base")

    place.put(place.at("a"), b"content")

    assert place.get(place.at("a")) == b"content"
    asked = [each for each in server.requests if each.startswith("POST")]
    assert asked == ["POST /tenant/oauth2/v2.0/token"]
    storage.close()


FAULTS = {
    "another workload": ("another.jwt", "refuses the workload identity"),
    "no file": (None, "cannot be read"),
}


@pytest.mark.parametrize(("assertion", "message"), FAULTS.values(), ids=FAULTS)
def test_a_workload_identity_that_is_refused_is_a_lasting_error(
    server: BlobFiles,
    workload: dict[str, str],
    assertion: str | None,
    message: str,
) -> None:
    file = Path(workload["AZURE_FEDERATED_TOKEN_FILE"])
    file.unlink()
    if assertion:
        file.write_text(assertion)
    storage = open_azure(AzureAccount(endpoint=server.endpoint), workload)

    with pytest.raises(StorageError, match=message) as caught:
        Place(storage, "").get("az://data/a")

    assert not caught.value.transient
    assert "another.jwt" not in caught.value.message
    storage.close()
