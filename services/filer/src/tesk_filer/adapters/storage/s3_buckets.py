"""``s3://bucket/key``: each bucket by the client that speaks with its service."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from tesk_filer.adapters.storage import s3
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3_endpoints import is_directory_bucket
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.domain.checks import WriteFound
from tesk_filer.domain.credentials import S3Account
from tesk_filer.ports import (
    Advance,
    Credentials,
    Cursor,
    Page,
    Part,
    Reader,
    Source,
    Stat,
    Storage,
)
from tesk_model.locations import Location


class S3Client(Storage, Protocol):
    """A client of S3."""

    def remove(self, location: Location) -> None:
        """Remove an object; nothing happens if it does not exist."""

    def check_write(self, location: Location) -> WriteFound:
        """See ``usecases.checks.ChecksWrites``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Buckets:
    """Satisfies ``ports.Storage``.

    Attributes:
        own: For most.
        by_sdk: Returns what directory buckets and accounts with ``uses_sdk`` need.
    """

    own: S3Client
    by_sdk: Callable[[], S3Client]
    credentials: Credentials

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        return self._of(location).stat(location)

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``."""
        return self._of(location).list(location, cursor)

    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> AbstractContextManager[Reader]:
        """See ``Storage``."""
        return self._of(location).open(location, part=part, known=known)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``."""
        return self._of(location).write(location, source, advance)

    def remove(self, location: Location) -> None:
        """See ``usecases.checks.Removes``."""
        self._of(location).remove(location)

    def check_write(self, location: Location) -> WriteFound:
        """See ``usecases.checks.ChecksWrites``."""
        return self._of(location).check_write(location)

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def _of(self, location: Location) -> S3Client:
        found = self.credentials.find(location)
        asked = isinstance(found, S3Account) and found.uses_sdk
        if asked or is_directory_bucket(location.host):
            return self.by_sdk()
        return self.own


def open_storage(config: StorageConfig) -> Storage:
    """Return the storage of s3."""
    environment = AwsEnvironment(config.environ)

    @cache
    def by_sdk() -> S3Client:
        # Where it is needed: boto3 takes longer to load than a filer to start.
        from tesk_filer.adapters.storage.s3_clients import S3Clients  # noqa: PLC0415
        from tesk_filer.adapters.storage.s3_sdk import S3SdkObjects  # noqa: PLC0415

        clients = S3Clients(
            config.credentials,
            environment,
            timeouts=config.timeouts,
            connections=config.idle_connections,
        )
        return ObjectStorage(S3SdkObjects(clients))

    return S3Buckets(
        own=s3.open_storage(config, environment),
        by_sdk=by_sdk,
        credentials=config.credentials,
    )
