"""A PostgreSQL server inside the cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.kube import Kube, Object
from cluster.once_ready import once_ready

SECRET = "e2e-database"
_PASSWORD = "e2e-p4ssword"
_PORT = 5432


@contextmanager
def database_in(kube: Kube, namespace: str, image: str) -> Iterator[str]:
    """Run an empty PostgreSQL in ``namespace``; give its url, as pods use it."""
    kube.apply(*_manifests(namespace, image))
    try:
        kube.wait_for_pods(namespace, "app=database")
        address = f"database.{namespace}.svc:{_PORT}"
        yield f"postgresql+psycopg://postgres:{_PASSWORD}@{address}/postgres"
    finally:
        kube.delete("pods", namespace, "database", grace=0)


def database_secret(namespace: str, url: str) -> Object:
    """Return the Secret from which the chart takes the url."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "stringData": {"url": url},
    }


def _manifests(namespace: str, image: str) -> list[Object]:
    meta = {
        "name": "database",
        "namespace": namespace,
        "labels": {"app": "database"},
    }
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "POSTGRES_PASSWORD", "value": _PASSWORD}],
        **once_ready(tcpSocket={"port": _PORT}),
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": "database"}, "ports": [{"port": _PORT}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta,
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
        },
    ]
