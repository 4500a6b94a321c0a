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

from cluster.gated_storage import GatedStorage, gated_storage_in
from cluster.kube import Kube
from cluster.object_storage import object_storage_in
from cluster.reference_claim import (
    fill_reference,
    reference_claim,
    reference_values,
)
from cluster.release import Release, installed
from cluster.session import Session
from cluster.values import merged

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """Calls on the cluster."""
    client = Kube()
    yield client
    client.close()


@pytest.fixture(scope="session")
def session(kube: Kube) -> Iterator[Session]:
    """Storages in a namespace of their own."""
    name = f"tesk-e2e-{secrets.token_hex(3)}"
    tag = os.environ.get("TESK_IMAGES_TAG") or os.environ.get("IMAGE_TAG") or _version()
    servers = f"{name}-servers"
    kube.make_namespace(servers)
    s3_image = os.environ.get("TESK_E2E_S3_IMAGE", "minio/minio:latest")
    try:
        with (
            object_storage_in(kube, servers, s3_image) as storage,
            gated_storage_in(kube, servers, f"tesk-filer:{tag}") as gated_storage,
        ):
            yield Session(
                name=name,
                tag=tag,
                kube=kube,
                storage=storage,
                gated_storage=gated_storage,
            )
    finally:
        kube.delete("namespaces", "", servers)


@pytest.fixture(scope="session")
def gated_storage(session: Session) -> GatedStorage:
    """A storage that holds transfers back."""
    return session.gated_storage


@pytest.fixture(scope="session")
def tesk(session: Session) -> Iterator[Release]:
    """The TESK of most tests, with the limits of a fresh installation."""
    namespace = f"{session.name}-main"
    values = merged(session.values(), reference_values())
    claim = reference_claim(namespace)
    with installed(session.kube, namespace, values, [claim]) as release:
        fill_reference(session.kube, namespace)
        release.connect()
        yield release


def _version() -> str:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])
