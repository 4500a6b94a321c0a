"""Each API in turn."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.kubernetes_api.kits import ApiKit, FakeApiKit, real_kit


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApiKit]:
    """Give an API, and a namespace of it with nothing in it."""
    if request.param == "fake":
        yield FakeApiKit()
    else:
        with real_kit(Path(os.environ["KUBECONFIG"]), tmp_path) as made:
            yield made
