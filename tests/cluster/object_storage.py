"""A real S3 server (MinIO) inside the cluster, and scenarios' storage on it."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cluster.kube import Kube, Object
from cluster.once_ready import once_ready
from cluster.service_access import access_service

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY, SECRET_KEY = "e2e-access", "e2e-s3cr3t"
REGION = "us-east-1"
BUCKET = "e2e"
PORT = 9000


class ObjectStorage:
    """The S3 service in the cluster.

    Attributes:
        endpoint: As pods reach it.
    """

    def __init__(self, endpoint: str, client: "S3Client") -> None:
        self.endpoint = endpoint
        self.client = client

    def folder(self, name: str) -> "Folder":
        """Return the part of the bucket below ``name``."""
        return Folder(self.client, name)


class Folder:
    """Storage of one scenario (``scenarios.scenario.Storage``)."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name

    def url(self, name: str) -> str:
        """Return the s3:// url of ``name``; keys are literal in these."""
        return f"s3://{BUCKET}/{self._name}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Store an object."""
        self._client.put_object(Bucket=BUCKET, Key=f"{self._name}/{name}", Body=data)
        return self.url(name)

    def get(self, name: str) -> bytes | None:
        """Return an object, or None."""
        try:
            found = self._client.get_object(Bucket=BUCKET, Key=f"{self._name}/{name}")
        except ClientError:
            return None
        with contextlib.closing(found["Body"]) as body:
            return bytes(body.read())

    def names(self) -> list[str]:
        """List the objects."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{self._name}/"
        )
        return sorted(
            item["Key"].removeprefix(f"{self._name}/")
            for page in pages
            for item in page.get("Contents", [])
        )


@contextlib.contextmanager
def object_storage_in(
    kube: Kube, namespace: str, image: str
) -> Iterator[ObjectStorage]:
    """Run an S3 server with an empty bucket in ``namespace``."""
    kube.apply(*_manifests(namespace, image))
    kube.wait_for_pods(namespace, "app=s3")
    with access_service(kube, namespace, "s3", PORT) as address:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://{address}",
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}),
        )
        with contextlib.closing(client):
            client.create_bucket(Bucket=BUCKET)
            yield ObjectStorage(f"http://s3.{namespace}.svc:{PORT}", client)


def credentials(namespace: str, name: str) -> Object:
    """Return a Secret with the credentials, as the chart wants it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {
            "accessKeyId": ACCESS_KEY,
            "secretAccessKey": SECRET_KEY,
        },
    }


def _manifests(namespace: str, image: str) -> list[Object]:
    meta = {"name": "s3", "namespace": namespace, "labels": {"app": "s3"}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": "s3"}, "ports": [{"port": PORT}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta,
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "main",
                        "image": image,
                        "imagePullPolicy": "IfNotPresent",
                        "args": ["server", "/data"],
                        "env": [
                            {"name": "MINIO_ROOT_USER", "value": ACCESS_KEY},
                            {"name": "MINIO_ROOT_PASSWORD", "value": SECRET_KEY},
                        ],
                        **once_ready(
                            httpGet={"path": "/minio/health/ready", "port": PORT}
                        ),
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                    }
                ],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        },
    ]
