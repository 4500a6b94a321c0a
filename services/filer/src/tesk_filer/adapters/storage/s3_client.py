"""Makes the client of an S3 service."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """The S3 service, and the credentials.

    Attributes:
        endpoint: Url of the service; "" for AWS.
        region: "" to find it as the AWS tools do.
        anonymous: Requests are not signed.
        access_key: With ``secret_key``, the credentials; "" to find both as the AWS
            tools do.
    """

    endpoint: str
    region: str
    anonymous: bool
    timeouts: Timeouts
    connections: int
    access_key: str = ""
    secret_key: str = field(default="", repr=False)


def make_client(options: S3Options) -> "S3Client":
    """Return a client; raise StorageError if the options are malformed."""
    checksums: dict[str, Any] = {}
    if options.endpoint:
        # Many services other than AWS refuse the trailers of newer SDKs.
        checksums = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    config = Config(
        signature_version=botocore.UNSIGNED if options.anonymous else None,
        s3={"addressing_style": "path" if options.endpoint else "auto"},
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=options.timeouts.connect.total_seconds(),
        read_timeout=options.timeouts.stall.total_seconds(),
        max_pool_connections=options.connections,
        **checksums,
    )
    session = boto3.session.Session(
        aws_access_key_id=options.access_key or None,
        aws_secret_access_key=options.secret_key or None,
    )
    region = options.region or session.region_name
    if options.endpoint and not region:
        region = "us-east-1"  # what services without regions expect
    try:
        return session.client(
            "s3",
            region_name=region,
            endpoint_url=options.endpoint or None,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        message = f"filer.s3_endpoint or filer.s3_region is malformed: {error}"
        raise StorageError(message) from error
