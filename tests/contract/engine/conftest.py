"""The engines that keep the contract, each as a kit for the tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.taskmaster_engine_kit import ATTEMPT, EngineKit
from tesk_taskmaster.adapters.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.folders import TaskFolders
from tesk_taskmaster.adapters.sandbox import open_sandbox_engine


def sandbox_kit(home: Path) -> EngineKit:
    """Give the sandbox, or skip where the kernel forbids it."""
    try:
        open_sandbox_engine(TaskFolders(home), os.environ)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    return EngineKit(
        open_engine=lambda: open_sandbox_engine(TaskFolders(home), os.environ),
        home=home,
        image="busybox",
    )


KITS: dict[str, Callable[[Path], EngineKit]] = {"sandbox": sandbox_kit}


@pytest.fixture(params=[pytest.param(make, id=name) for name, make in KITS.items()])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineKit]:
    """Give each engine in turn, with nothing of it left afterwards."""
    made: EngineKit = request.param(tmp_path.resolve() / "home")
    yield made
    made.engine.remove(ATTEMPT)
