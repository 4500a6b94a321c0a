"""Connections to http, https, s3, gs and Azure that break: nothing wrong is ever accepted.

What changes a byte on the way is found by TLS, or by a checksum that the server gives;
plain http without one cannot know.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from contract.storage.breaks import BREAKS
from contract.storage.clouds import BUCKET, open_azure, open_gs
from contract.storage.places import Place, http_storage
from files.certificates import Authority
from servers.azure import KEY, Blob, azure_server
from servers.http import Fault, http_server
from servers.proxy import Break, Proxy, tcp_proxy
from servers.s3 import ACCESS_KEY, SECRET_KEY, S3Service
from servers.secure_http import secure_http_server
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3 import S3Objects
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_requests import S3Requests
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.storage_config import HttpOptions, Timeouts
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.checksums import choose_checks
from tesk_filer.domain.credentials import (
    AzureAccount,
    GcsAccount,
    S3Account,
    S3Keys,
)
from tesk_filer.ports import StorageError
from tesk_runtime.clock import SystemClock

SHORT = Timeouts(connect=timedelta(seconds=0.5), stall=timedelta(seconds=0.5))
SIZE = 600_000
CONTENT = os.urandom(SIZE)
DIGEST = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()


def download(place: Place, folder: Path) -> None:
    """Bring the file into a volume."""
    with place.open(place.at("a")) as reader:
        checks = choose_checks({}, reader.checksums)
        FolderVolume(folder).save("/a", reader, lambda _: None, checks)


@dataclass(frozen=True)
class Broken:
    """A storage whose connections go through a proxy, and where its files land."""

    place: Place
    proxy: Proxy
    folder: Path
    publish: Callable[[bytes], None]
    stored: Callable[[], bytes | None]

    def download(self) -> bytes:
        """Bring the file into the volume; return what is there."""
        download(self.place, self.folder)
        return (self.folder / "a").read_bytes()


@pytest.fixture(params=["http", "https", "s3", "gs", "azure"])
def broken(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Authority
) -> Iterator[Broken]:
    volume = tmp_path / "volume"
    volume.mkdir()
    with ExitStack() as stack:
        if request.param == "s3":
            service = request.getfixturevalue("s3_service")
            yield _open_s3(stack, service, tmp_path.name, volume)
        elif request.param == "gs":
            endpoint = request.getfixturevalue("gcs_endpoint")
            yield _open_gs(stack, endpoint, tmp_path.name, volume)
        elif request.param == "azure":
            yield _open_azure(stack, volume)
        else:
            yield _open_http(stack, request.param, authority, volume)


def _open_http(
    stack: ExitStack, scheme: str, authority: Authority, volume: Path
) -> Broken:
    kind = secure_http_server(authority) if scheme == "https" else http_server()
    server = stack.enter_context(kind)
    server.headers["Repr-Digest"] = f"sha-256=:{DIGEST}:"
    proxy = stack.enter_context(tcp_proxy(port=int(server.url.rpartition(":")[2])))
    options = HttpOptions(authorities=str(authority.certificate))
    storage = http_storage(SHORT, options=options)
    stack.callback(storage.close)
    return Broken(
        Place(storage, f"{scheme}://localhost:{proxy.port}"),
        proxy,
        volume,
        publish=lambda content: server.files.update({"/a": content}),
        stored=lambda: server.files.get("/a"),
    )


def _open_s3(stack: ExitStack, service: S3Service, prefix: str, volume: Path) -> Broken:
    proxy = stack.enter_context(
        tcp_proxy(port=int(service.endpoint.rpartition(":")[2]))
    )
    account = S3Account(
        endpoint=f"http://127.0.0.1:{proxy.port}",
        keys=S3Keys(access_key=ACCESS_KEY, secret_key=SECRET_KEY),
    )
    requests = S3Requests(
        pool=HttpPool(timeouts=SHORT, size=4, environ={}),
        credentials=SettingCredentials(s3=account),
        environment=AwsEnvironment({}),
        now=SystemClock().now,
    )
    storage = ObjectStorage(S3Objects(requests, connections=4))
    stack.callback(storage.close)
    client = service.client()
    stack.callback(client.close)
    key = f"{prefix}/a"

    def stored() -> bytes | None:
        found = client.list_objects_v2(Bucket="bucket", Prefix=key).get("Contents", [])
        if not found:
            return None
        body: bytes = client.get_object(Bucket="bucket", Key=key)["Body"].read()
        return body

    return Broken(
        Place(storage, f"s3://bucket/{prefix}", has_directories=False),
        proxy,
        volume,
        publish=lambda content: (
            client.put_object(Bucket="bucket", Key=key, Body=content) and None
        ),
        stored=stored,
    )


def _open_gs(stack: ExitStack, endpoint: str, prefix: str, volume: Path) -> Broken:
    proxy = stack.enter_context(tcp_proxy(port=int(endpoint.rpartition(":")[2])))
    account = GcsAccount(endpoint=f"http://127.0.0.1:{proxy.port}", anonymous=True)
    storage = open_gs(account, timeouts=SHORT)
    stack.callback(storage.close)
    client = stack.enter_context(httpx.Client(base_url=endpoint))
    target = f"/upload/storage/v1/b/{BUCKET}/o"

    def publish(content: bytes) -> None:
        query = {"uploadType": "media", "name": f"{prefix}/a"}
        client.post(target, params=query, content=content).raise_for_status()

    def stored() -> bytes | None:
        name = quote(f"{prefix}/a", safe="")
        path = f"/download/storage/v1/b/{BUCKET}/o/{name}"
        proxy.outage = "cut"  # the server lets nobody read while a body arrives
        found = client.get(path, params={"alt": "media"})
        proxy.outage = ""
        return found.content if found.is_success else None

    place = Place(storage, f"gs://{BUCKET}/{prefix}", has_directories=False)
    return Broken(place, proxy, volume, publish, stored)


def _open_azure(stack: ExitStack, volume: Path) -> Broken:
    server = stack.enter_context(azure_server())
    there = urlsplit(server.endpoint)
    proxy = stack.enter_context(tcp_proxy(port=there.port))
    endpoint = f"http://127.0.0.1:{proxy.port}{there.path}"
    storage = open_azure(AzureAccount(endpoint=endpoint, key=KEY), timeouts=SHORT)
    stack.callback(storage.close)

    def publish(content: bytes) -> None:
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        server.put("data/a", Blob(content, "", base64.b64encode(digest).decode()))

    def stored() -> bytes | None:
        found = server.blobs.get("data/a")
        return found.content if found else None

    place = Place(storage, "az://data", has_directories=False)
    return Broken(place, proxy, volume, publish, stored)


DAMAGES = BREAKS | {
    "changed in the middle": Break(does="corrupt", after=300_000),
}


@pytest.mark.parametrize("told", DAMAGES.values(), ids=DAMAGES)
def test_a_download_that_breaks_leaves_nothing_and_may_be_tried_again(
    broken: Broken, told: Break
) -> None:
    broken.publish(CONTENT)
    broken.proxy.breaks.append(told)

    with pytest.raises(StorageError) as caught:
        broken.download()

    assert caught.value.transient
    assert not (broken.folder / "a").exists()
    assert broken.download() == CONTENT


@pytest.mark.parametrize("told", BREAKS.values(), ids=BREAKS)
def test_an_upload_that_breaks_is_an_error_and_may_be_tried_again(
    broken: Broken, told: Break
) -> None:
    broken.publish(b"before")
    broken.proxy.breaks.append(replace(told, way="up"))

    with pytest.raises(StorageError) as caught:
        broken.place.put(broken.place.at("a"), CONTENT)

    assert caught.value.transient
    assert broken.stored() == b"before"
    broken.place.put(broken.place.at("a"), CONTENT)
    assert broken.stored() == CONTENT


@pytest.mark.parametrize("broken", ["https", "s3", "gs", "azure"], indirect=True)
def test_an_upload_of_which_a_byte_is_changed_on_the_way_is_an_error(
    broken: Broken,
) -> None:
    broken.proxy.breaks.append(Break(does="corrupt", after=300_000, way="up"))

    with pytest.raises(StorageError) as caught:
        broken.place.put(broken.place.at("a"), CONTENT)

    assert caught.value.transient
    broken.place.put(broken.place.at("a"), CONTENT)
    assert broken.stored() == CONTENT


@pytest.mark.parametrize("broken", ["s3", "gs", "azure"], indirect=True)
def test_a_listing_that_comes_byte_by_byte_is_given_up(broken: Broken) -> None:
    broken.publish(CONTENT)
    broken.proxy.breaks.append(Break(does="trickle", after=500))

    with pytest.raises(StorageError, match="the server is too slow") as caught:
        broken.place.walk(broken.place.url)

    assert caught.value.transient
    assert [each.name for each in broken.place.walk(broken.place.url)] == ["a"]


LENGTHS = {
    "more than it sends": (str(SIZE + 10), "bytes arrived|broke|no answer"),
    "less than it sends": (str(SIZE - 10), "sha256"),
}


@pytest.mark.parametrize(("length", "text"), LENGTHS.values(), ids=LENGTHS)
def test_a_server_that_announces_another_length_is_found_out(
    tmp_path: Path, length: str, text: str
) -> None:
    with http_server() as server:
        server.files["/a"] = CONTENT
        server.headers["Repr-Digest"] = f"sha-256=:{DIGEST}:"
        server.faults["/a"] = [
            Fault(headers={"Content-Length": length}, cut_at=SIZE),
        ]
        storage = http_storage(SHORT)
        with pytest.raises(StorageError, match=text) as caught:
            download(Place(storage, server.url), tmp_path)
        storage.close()

        assert caught.value.transient
        assert not (tmp_path / "a").exists()
