"""A real API server takes every reviewed manifest, checked as if to be made.

It checks what no schema knows: names, quantities, paths, combinations.
"""

import pytest
from kubernetes import client, config, utils

from taskmasters.manifest_shapes import SHAPES
from taskmasters.manifests import manifests

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("name", SHAPES)
def test_the_server_takes_what_was_reviewed(name: str) -> None:
    config.load_kube_config()
    with client.ApiClient() as api:
        for manifest in manifests(*SHAPES[name]):
            manifest["metadata"]["namespace"] = "default"
            utils.create_from_dict(
                api, manifest, dry_run="All", field_validation="Strict"
            )
