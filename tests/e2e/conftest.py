"""TESK on the cluster of ``KUBECONFIG``, with storages beside it.

Images must be there already (``make e2e`` sees to it): those of TESK as
``tesk-<service>:$TESK_IMAGES_TAG`` (default: the version), and those that
``tests/cluster/images.sh names`` lists.
"""

import os
import secrets
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.gates import Gates, gates_in
from cluster.kube import Kube
from cluster.object_storage import object_storage_in
from cluster.release import Release, installed
from cluster.site import Site

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """Calls on the cluster."""
    client = Kube()
    yield client
    client.close()


@pytest.fixture(scope="session")
def site(kube: Kube) -> Iterator[Site]:
    """Storages in a namespace of their own."""
    name = f"tesk-e2e-{secrets.token_hex(3)}"
    tag = os.environ.get("TESK_IMAGES_TAG") or os.environ.get("IMAGE_TAG") or _version()
    servers = f"{name}-servers"
    kube.make_namespace(servers)
    s3_image = os.environ.get("TESK_E2E_S3_IMAGE", "minio/minio:latest")
    try:
        with (
            object_storage_in(kube, servers, s3_image) as storage,
            gates_in(kube, servers, f"tesk-filer:{tag}") as gates,
        ):
            yield Site(name=name, tag=tag, kube=kube, storage=storage, gates=gates)
    finally:
        kube.delete("namespaces", "", servers)


@pytest.fixture(scope="session")
def gates(site: Site) -> Gates:
    """A storage that holds transfers back."""
    return site.gates


@pytest.fixture(scope="session")
def tesk(site: Site) -> Iterator[Release]:
    """The TESK of most tests, with the limits of a fresh installation."""
    with installed(site.kube, f"{site.name}-main", site.values()) as release:
        release.connect()
        yield release


def _version() -> str:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])
