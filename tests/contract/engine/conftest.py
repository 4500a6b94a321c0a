"""The engines that keep the contract, each with a harness."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.taskmaster_engine_harness import EngineHarness
from tesk_model.errors import UnavailableError
from tesk_taskmaster.adapters.container.discovery import open_container_engine
from tesk_taskmaster.adapters.sandbox.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.ports import Engine

REPOSITORY = Path(__file__).parents[3]
LAUNCHER = REPOSITORY / "build" / "launcher"


def sandbox_harness(home: Path) -> EngineHarness:
    """Give the sandbox, or skip where the kernel forbids it."""

    def open_engine() -> Engine:
        try:
            return open_sandbox_engine(TaskFolders(home), os.environ)
        except SandboxUnavailableError as error:
            pytest.skip(str(error))

    return EngineHarness(open_engine=open_engine, home=home, image="busybox")


def container_harness(home: Path) -> EngineHarness:
    """Give the container engine of this machine, or skip if there is none."""
    build_launcher()

    def open_engine() -> Engine:
        try:
            return open_container_engine(os.environ, launcher=LAUNCHER, home=home)
        except UnavailableError as error:
            pytest.skip(error.message)

    return EngineHarness(open_engine=open_engine, home=home, image="busybox")


def build_launcher() -> None:
    """Build what containers start with, unless that is done; skip if it cannot be."""
    if LAUNCHER.exists():
        return
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("the launcher needs make and a C compiler (`apt install gcc make`)")
    source = REPOSITORY / "services" / "taskmaster" / "launcher"
    subprocess.run(["make", "-s", "-C", str(source)], check=True)


KITS: dict[
    str, tuple[Callable[[Path], EngineHarness], tuple[pytest.MarkDecorator, ...]]
]
KITS = {
    "sandbox": (sandbox_harness, ()),
    "container": (container_harness, (pytest.mark.engine,)),
}


@pytest.fixture(
    params=[
        pytest.param(make, id=name, marks=marks) for name, (make, marks) in KITS.items()
    ]
)
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineHarness]:
    """Give each engine in turn, with nothing of it left afterwards."""
    made: EngineHarness = request.param(tmp_path.resolve() / "home")
    yield made
    made.engine.remove(made.attempt)
