"""A real API server takes every reviewed manifest, checked as if to be made.

It checks what no schema knows: names, quantities, paths, combinations.
"""

from pathlib import Path

import pytest
import yaml
from kubernetes import client, config, utils

pytestmark = pytest.mark.cluster

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.yaml")), ids=lambda f: f.stem)
def test_the_server_takes_what_was_reviewed(file: Path) -> None:
    config.load_kube_config()
    with client.ApiClient() as api:
        for manifest in yaml.safe_load_all(file.read_text("utf-8")):
            manifest["metadata"]["namespace"] = "default"
            utils.create_from_dict(
                api, manifest, dry_run="All", field_validation="Strict"
            )
