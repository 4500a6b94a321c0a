"""Clients of boto3, one for each account."""

import threading
from typing import TYPE_CHECKING, Any

import boto3
import botocore
from botocore.config import Config
from botocore.credentials import Credentials as SdkCredentials
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session as SdkSession

from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import S3Account
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MAX_KEPT = 16  # clients; keys that rotate leave some behind


class S3Clients:
    """Makes clients when they are needed first; thread-safe."""

    def __init__(
        self,
        credentials: Credentials,
        environment: AwsEnvironment,
        *,
        timeouts: Timeouts,
        connections: int,
    ) -> None:
        """Keep up to ``connections`` open by each client.

        Args:
            credentials: Of buckets.
            environment: Who the filer is where there are none.
            timeouts: Of connections.
            connections: Kept by each client.
        """
        self._credentials = credentials
        self._environment = environment
        self._timeouts = timeouts
        self._connections = connections
        self._lock = threading.Lock()
        self._made: dict[S3Account, S3Client] = {}

    def of(self, location: Location) -> "S3Client":
        """Return the client for a bucket, by its present credentials.

        Raises:
            StorageError: What is configured for it is malformed, or there are no keys.
        """
        found = self._credentials.find(location)
        account = found if isinstance(found, S3Account) else S3Account()
        if account.is_ambient:
            self._environment.keys()  # without the lock: services may be asked
        with self._lock:
            client = self._made.get(account)
            if client is None:
                client = self._make(account)
                self._made[account] = client
                if len(self._made) > _MAX_KEPT:
                    # Not closed: another thread may use it.
                    self._made.pop(next(iter(self._made)))
            return client

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def _make(self, account: S3Account) -> "S3Client":
        keys = account.keys
        core = SdkSession()
        if account.is_ambient:
            core.register_component("credential_provider", _Ambient(self._environment))
        session = boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=keys.access_key if keys else None,
            aws_secret_access_key=keys.secret_key if keys else None,
            aws_session_token=(keys.session_token or None) if keys else None,
        )
        region = account.region or session.region_name
        if account.endpoint and not region:
            region = "us-east-1"  # what services without regions expect
        try:
            return session.client(
                "s3",
                region_name=region,
                endpoint_url=account.endpoint or None,
                config=self._config(account),
            )
        except (BotoCoreError, ValueError) as error:
            message = (
                "filer.s3_endpoint or filer.s3_region, or those of the bucket, are "
                f"malformed: {error}"
            )
            raise StorageError(message) from error

    def _config(self, account: S3Account) -> Config:
        by_host = account.virtual_hosts
        if by_host is None:
            by_host = not account.endpoint
        checksums: dict[str, Any] = {}
        if account.endpoint:
            # Many services other than AWS refuse the trailers of newer SDKs.
            checksums = {
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            }
        return Config(
            signature_version=botocore.UNSIGNED if account.anonymous else None,
            s3={"addressing_style": "auto" if by_host else "path"},
            retries={"mode": "standard", "max_attempts": 1},
            connect_timeout=self._timeouts.connect.total_seconds(),
            read_timeout=self._timeouts.stall.total_seconds(),
            max_pool_connections=self._connections,
            **checksums,
        )


class _Ambient(SdkCredentials):
    """The keys of the environment, the present ones for each request.

    It is what botocore finds them by, too ("credential_provider").
    """

    def __init__(self, environment: AwsEnvironment) -> None:
        keys = environment.keys()
        super().__init__(keys.access_key, keys.secret_key, keys.session_token or None)
        self._environment = environment

    def load_credentials(self) -> "_Ambient":
        return self

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        keys = self._environment.keys()
        return ReadOnlyCredentials(
            keys.access_key, keys.secret_key, keys.session_token or None
        )
