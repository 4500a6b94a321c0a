"""The server of the tests answers Microsoft's client as Azure does."""

import uuid
from collections.abc import Iterator

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, ContainerClient

from servers.azure import microsofts_client


@pytest.fixture(params=["azure", "azurite"])
def client(request: pytest.FixtureRequest) -> Iterator[BlobServiceClient]:
    endpoint: str = request.getfixturevalue(f"{request.param}_endpoint")
    with microsofts_client(endpoint) as opened:
        yield opened


@pytest.fixture
def container(client: BlobServiceClient) -> ContainerClient:
    return client.create_container(f"c{uuid.uuid4().hex}")


@pytest.mark.parametrize("size", [0, 5, 950], ids=["empty", "small", "in blocks"])
def test_a_blob_is_uploaded_and_downloaded(
    container: ContainerClient, size: int
) -> None:
    content = bytes(index % 251 for index in range(size))

    container.upload_blob("d/a b%20?", content)

    assert container.download_blob("d/a b%20?").readall() == content
    if size > 20:
        assert container.download_blob("d/a b%20?", 10, 7).readall() == content[10:17]


def test_blobs_are_listed_in_pages(container: ContainerClient) -> None:
    for name in ("d/a&b", "d/c", "e"):
        container.upload_blob(name, name.encode())

    pages = list(container.list_blobs("d/", results_per_page=1).by_page())
    found = [list(page) for page in pages]

    assert [[blob.name for blob in page] for page in found] == [["d/a&b"], ["d/c"]]
    assert [blob.size for page in found for blob in page] == [5, 3]


def test_a_condition_is_checked(container: ContainerClient) -> None:
    before = container.upload_blob("a", b"before").get_blob_properties().etag
    container.upload_blob("a", b"after", overwrite=True)

    with pytest.raises(ResourceModifiedError):
        container.download_blob(
            "a", etag=before, match_condition=MatchConditions.IfNotModified
        )


def test_what_is_missing_or_not_allowed_is_refused(
    client: BlobServiceClient, container: ContainerClient
) -> None:
    with pytest.raises(ResourceNotFoundError):
        container.download_blob("none")
    with (
        microsofts_client(client.url, key="d3Jvbmc=") as other,
        pytest.raises(HttpResponseError) as caught,
    ):
        other.get_blob_client(container.container_name, "a").download_blob()
    assert caught.value.status_code == 403
