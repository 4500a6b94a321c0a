"""A real API server takes every reviewed manifest, checked as if to be made.

It checks what no schema knows: names, quantities, paths, combinations.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from kubernetes import client, config, utils

from taskmasters.manifest_shapes import SHAPES
from taskmasters.manifests import Manifest, manifests
from taskmasters.pod_shapes import POD_SHAPES

pytestmark = pytest.mark.cluster

# The first that has resources of pods and claims of devices.
NEW = (1, 34)


@pytest.fixture(scope="module")
def api() -> Iterator[client.ApiClient]:
    config.load_kube_config()
    with client.ApiClient() as api:
        yield api


def check(api: client.ApiClient, manifest: Manifest) -> None:
    manifest["metadata"]["namespace"] = "default"
    utils.create_from_dict(api, manifest, dry_run="All", field_validation="Strict")


@pytest.mark.parametrize("name", SHAPES)
def test_the_server_takes_what_was_reviewed(name: str, api: client.ApiClient) -> None:
    for manifest in manifests(*SHAPES[name]):
        check(api, manifest)


@pytest.mark.parametrize("name", POD_SHAPES)
def test_the_server_takes_the_pods_that_were_reviewed(
    name: str, api: client.ApiClient
) -> None:
    version = client.VersionApi(api).get_code()
    is_new = (int(version.major), int(version.minor.rstrip("+"))) >= NEW
    shape = POD_SHAPES[name]
    if shape.pod_resources and not is_new:
        shape = replace(shape, pod_resources=False)
    check(api, shape.job())
