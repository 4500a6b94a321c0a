"""A transfer between memory and a folder."""

from pathlib import Path

import pytest

from simulations.transfer import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "volume").mkdir()
    return Bench(tmp_path / "volume")
