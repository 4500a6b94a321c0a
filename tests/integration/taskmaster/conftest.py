"""A container engine of this machine, with one task."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskmasters.containers import Workplace
from tesk_model.errors import UnavailableError
from tesk_taskmaster.adapters.container.api import ContainerApi
from tesk_taskmaster.adapters.container.discovery import open_container_engine
from tesk_taskmaster.adapters.container.engine import ContainerEngine

REPOSITORY = Path(__file__).parents[3]


OpenEngine = Callable[[Path], ContainerEngine]


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("launcher") / "launcher"
    source = REPOSITORY / "services/taskmaster/launcher"
    subprocess.run(["make", "-s", "-C", str(source), f"OUT={target}"], check=True)
    return target


@pytest.fixture
def open_engine(launcher: Path) -> OpenEngine:
    def open_one(home: Path) -> ContainerEngine:
        try:
            return open_container_engine(os.environ, launcher=launcher, home=home)
        except UnavailableError as error:
            pytest.skip(error.message)

    return open_one


@pytest.fixture
def place(tmp_path: Path, open_engine: OpenEngine) -> Iterator[Workplace]:
    place = Workplace(tmp_path, open_engine(tmp_path))
    yield place
    place.engine.remove(place.attempt)


@pytest.fixture
def api(place: Workplace) -> ContainerApi:
    return place.engine._api
