"""A real S3 server (moto) that speaks HTTP on a port of this machine."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY, SECRET_KEY = "access", "s3cr3t"
REGION = "us-east-1"


@dataclass(frozen=True)
class S3Service:
    """A running service.

    Attributes:
        environ: What the filer's environment needs to reach it.
    """

    endpoint: str
    secret_key: str = field(default=SECRET_KEY, repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """Variables that make this the S3 of a process."""
        return {
            "TESK_FILER_S3_ENDPOINT": self.endpoint,
            "TESK_FILER_S3_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def client(self) -> "S3Client":
        """Return a client of the service; close it."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}),
        )


@contextmanager
def s3_server(*buckets: str) -> Iterator[S3Service]:
    """Serve empty ``buckets`` until the end of the block.

    All servers of a process share moto's one memory: give buckets of different
    suites different names.
    """
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    service = S3Service(f"http://{host}:{port}")
    client = service.client()
    try:
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
        yield service
    finally:
        for bucket in buckets:
            _empty(client, bucket)
        client.close()
        server.stop()


def _empty(client: "S3Client", bucket: str) -> None:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=bucket, Key=item["Key"])
    client.delete_bucket(Bucket=bucket)
