"""Storages of clouds and of HDFS, to try on the servers of the tests."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType

from contract.storage.places import OPEN_EGRESS, TIMEOUTS, Place
from fakes.filer_credentials import FixedCredentials
from servers import azure
from servers.webhdfs import webhdfs_server
from tesk_filer.adapters.storage.azure import AzureService
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.gs import GoogleService
from tesk_filer.adapters.storage.gs_uploads import CHUNK
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3 import S3Objects
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_requests import S3Requests
from tesk_filer.adapters.storage.storage_config import HdfsService, Timeouts
from tesk_filer.adapters.storage.webhdfs import WebHdfsStorage
from tesk_filer.domain.credentials import AzureAccount, Credential, GcsAccount
from tesk_filer.ports import Credentials
from tesk_runtime.clock import SystemClock

BUCKET = "bucket"
WEBHDFS = {"webhdfs": True, "httpfs": False}
"""Kinds of servers, and whether they list in pages and rename over other files."""


@contextmanager
def gs_place(endpoint: str, name: str) -> Iterator[Place]:
    """Give a folder of a bucket of Google's."""
    storage = open_gs(GcsAccount(endpoint=endpoint, anonymous=True))
    yield Place(storage, f"gs://{BUCKET}/{name}", has_directories=False)
    storage.close()


def open_gs(
    account: GcsAccount,
    *,
    page: int = 1000,
    chunk: int = CHUNK,
    backoff: timedelta = timedelta(),
    environ: Mapping[str, str] = MappingProxyType({}),
    timeouts: Timeouts = TIMEOUTS,
) -> ObjectStorage:
    """Return the storage of Google's; close it."""
    return ObjectStorage(
        GoogleService(
            credentials=FixedCredentials(account),
            pool=_pool(environ=environ, timeouts=timeouts),
            chunk=chunk,
            backoff=backoff,
        ),
        page_size=page,
    )


def open_s3(credentials: Credentials, *, connections: int = 4) -> ObjectStorage:
    """Return the storage of S3; close it."""
    requests = S3Requests(
        pool=_pool(),
        credentials=credentials,
        environment=AwsEnvironment({}),
        now=SystemClock().now,
    )
    return ObjectStorage(S3Objects(requests, connections=connections))


@contextmanager
def azure_place(endpoint: str) -> Iterator[Place]:
    """Give a folder of a new container."""
    container = f"c{uuid.uuid4().hex}"
    with azure.microsofts_client(endpoint) as client:
        client.create_container(container)
    storage = open_azure(AzureAccount(endpoint=endpoint, key=azure.KEY))
    yield Place(storage, f"az://{container}/base", has_directories=False)
    storage.close()


def open_azure(
    credential: Credential | None,
    environ: Mapping[str, str] = MappingProxyType({}),
    timeouts: Timeouts = TIMEOUTS,
) -> ObjectStorage:
    """Return the storage of Azure; close it."""
    return ObjectStorage(
        AzureService(
            credentials=FixedCredentials(credential),
            pool=_pool(environ=environ, timeouts=timeouts),
        )
    )


@contextmanager
def webhdfs_place(kind: str) -> Iterator[Place]:
    """Give a folder of a server of ``kind``."""
    with webhdfs_server() as server:
        server.has_pages = server.overwrites = WEBHDFS[kind]
        storage = open_webhdfs()
        yield Place(storage, f"{server.url}/base")
        storage.close()


def open_webhdfs(
    credential: Credential | None = None,
    *,
    user: str = "",
    port: int = 9870,
    egress: Egress = OPEN_EGRESS,
    timeouts: Timeouts = TIMEOUTS,
) -> WebHdfsStorage:
    """Return the storage of HDFS; close it."""
    return WebHdfsStorage(
        credentials=FixedCredentials(credential),
        pool=_pool(egress, timeouts=timeouts),
        egress=egress,
        service=HdfsService(user=user, port=port),
    )


def _pool(
    egress: Egress | None = None,
    environ: Mapping[str, str] = MappingProxyType({}),
    timeouts: Timeouts = TIMEOUTS,
) -> HttpPool:
    return HttpPool(timeouts=timeouts, size=4, environ=environ, egress=egress)
