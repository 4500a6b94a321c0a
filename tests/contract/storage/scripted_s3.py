"""S3 whose answers a test writes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contract.storage.places import TIMEOUTS, Place
from servers.scripted import Script
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3 import S3Objects
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_requests import S3Requests
from tesk_filer.domain.credentials import Credential, S3Account, S3Keys
from tesk_model.locations import Location
from tesk_runtime.clock import SystemClock

KEYS = S3Keys(access_key="AKIA1", secret_key="s3cr3t")


class Accounts:
    """Gives the next account at each question, and the last again and again."""

    def __init__(self, *accounts: S3Account) -> None:
        self._accounts = list(accounts)

    def find(self, location: Location) -> Credential | None:
        del location
        many = len(self._accounts) > 1
        return self._accounts.pop(0) if many else self._accounts[0]


@contextmanager
def opened(
    *accounts: S3Account, environ: Mapping[str, str] | None = None
) -> Iterator[Place]:
    """Open S3 for accounts, the first for the first request, and so on."""
    environ = {"HOME": "/nowhere", **(environ or {})}
    requests = S3Requests(
        pool=HttpPool(timeouts=TIMEOUTS, size=4, environ=environ),
        credentials=Accounts(*accounts),
        environment=AwsEnvironment(environ),
        now=SystemClock().now,
    )
    storage = ObjectStorage(S3Objects(requests, connections=2))
    yield Place(storage, "s3://bucket/base", has_directories=False)
    storage.close()


def at(script: Script, keys: S3Keys | None = KEYS, **more: bool) -> S3Account:
    return S3Account(endpoint=script.url, region="r1", keys=keys, **more)


def error(code: str, **fields: str) -> bytes:
    texts = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    return f"<Error><Code>{code}</Code>{texts}</Error>".encode()
