"""A MinIO in a container of this machine's engine, which enforces policies."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import httpx
from botocore.config import Config
from testcontainers.core.container import DockerContainer

from programs.ports import free_port
from programs.waiting import eventually
from tesk_filer.domain.credentials import S3Account, S3Keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IMAGE = "minio/minio:latest"
_PORT = 9000
_REGION = "us-east-1"
_ACCESS, _SECRET = "root-access", "root-s3cr3t"


@dataclass(frozen=True)
class Minio:
    """A running server."""

    endpoint: str

    def client(self) -> "S3Client":
        """Return a client that may do everything; close it."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=_REGION,
            aws_access_key_id=_ACCESS,
            aws_secret_access_key=_SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )

    def account(self, actions: Sequence[str]) -> S3Account:
        """Return the account of somebody who may do nothing but ``actions``."""
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        sts = boto3.session.Session().client(
            "sts",
            endpoint_url=self.endpoint,
            region_name=_REGION,
            aws_access_key_id=_ACCESS,
            aws_secret_access_key=_SECRET,
        )
        role = sts.assume_role(
            RoleArn="arn:aws:iam::123456789012:role/any",
            RoleSessionName="somebody",
            Policy=json.dumps(policy),
        )
        sts.close()
        given = role["Credentials"]
        keys = S3Keys(
            access_key=given["AccessKeyId"],
            secret_key=given["SecretAccessKey"],
            session_token=given["SessionToken"],
        )
        return S3Account(endpoint=self.endpoint, region=_REGION, keys=keys)


@contextmanager
def minio_server(bucket: str) -> Iterator[Minio]:
    """Serve an empty bucket until the end of the block."""
    port = free_port()
    container = DockerContainer(IMAGE).with_command("server /data")
    container.with_env("MINIO_ROOT_USER", _ACCESS)
    container.with_env("MINIO_ROOT_PASSWORD", _SECRET)
    container.with_bind_ports(_PORT, port)
    try:
        container.start()
        server = Minio(f"http://{container.get_container_host_ip()}:{port}")
        eventually(lambda: _is_up(server.endpoint), what="the server")
        client = server.client()
        client.create_bucket(Bucket=bucket)
        client.close()
        yield server
    finally:
        container.stop()


def _is_up(endpoint: str) -> bool:
    try:
        return httpx.get(f"{endpoint}/minio/health/live").is_success
    except httpx.TransportError:
        return False
