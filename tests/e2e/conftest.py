"""TESK on the cluster of ``KUBECONFIG``, with storages beside it.

Images must be there already (``make e2e`` sees to it): those of TESK as
``tesk-<service>:$TESK_IMAGES_TAG`` (default: the version), and those that
``tests/cluster/images.sh names`` lists.
"""

import os
import secrets
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster.gated_storage import GatedStorage, gated_storage_in
from cluster.kube import Kube
from cluster.layouts import FAULTS, SCENARIOS, layout_values
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
def tesk_with_layout(session: Session) -> Iterator[Callable[[str], Release]]:
    """Return the TESK of a layout, with the limits of a fresh installation."""
    releases: dict[str, Release] = {}
    with ExitStack() as exits:

        def install(layout: str) -> Release:
            namespace = f"{session.name}-{layout}"
            values = merged(session.values(), reference_values())
            values = merged(values, layout_values(layout))
            claim = reference_claim(namespace)
            release = exits.enter_context(
                installed(session.kube, namespace, values, [claim])
            )
            fill_reference(session.kube, namespace)
            release.connect()
            return release

        def of(layout: str) -> Release:
            if layout not in releases:
                releases[layout] = install(layout)
            return releases[layout]

        yield of


@pytest.fixture(scope="session")
def tesk(tesk_with_layout: Callable[[str], Release]) -> Release:
    """The TESK of tests of one layout."""
    return tesk_with_layout("jobs")


@pytest.fixture(scope="module", params=SCENARIOS)
def tesk_in_each_layout(
    request: pytest.FixtureRequest, tesk_with_layout: Callable[[str], Release]
) -> Release:
    """The TESK of tests that run in each layout; modules name it ``tesk``."""
    return tesk_with_layout(request.param)


@pytest.fixture(scope="module", params=FAULTS)
def tesk_of_faults(
    request: pytest.FixtureRequest, tesk_with_layout: Callable[[str], Release]
) -> Release:
    """Likewise, for tests of faults."""
    return tesk_with_layout(request.param)


def _version() -> str:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])
