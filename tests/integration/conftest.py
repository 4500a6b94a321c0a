"""Whole TESKs of real processes, on each engine of this machine."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from playwright.sync_api import Browser, Page

from programs.browser import running_browser, watched_page
from programs.stack import Stack, running_stack
from scenarios import references
from servers.gate import Gate, gate_server

IMAGES = Path(__file__).parents[1] / "cluster" / "images"
ENGINES = ["sandbox", pytest.param("container", marks=pytest.mark.engine)]


@pytest.fixture(scope="module", params=ENGINES)
def shared_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One for all tests of a module, which leave it as it was."""
    folder = tmp_path_factory.mktemp(request.param)
    reference = make_reference(folder)
    environ = {"TESK_REFERENCES": f"{{{references.NAME}: {reference}}}"}
    with running_stack(folder, engine=request.param, environ=environ) as running:
        yield running


def make_reference(folder: Path) -> Path:
    """Make the reference of the scenarios, beside what its links must not reach."""
    reference = folder / "reference"
    (folder / "x").mkdir()
    for name, data in references.FILES.items():
        file = reference / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    for name, target in references.LINKS.items():
        (reference / name).symlink_to(target)
    return reference


@pytest.fixture(params=ENGINES)
def own_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """One for one test, which may kill what it likes."""
    with running_stack(tmp_path, engine=request.param) as running:
        yield running


@pytest.fixture(scope="session")
def own_images() -> None:
    """The small images that the tests make for themselves, in the engine."""
    client = docker.from_env()
    with contextlib.closing(client):
        for dockerfile in IMAGES.glob("*.Dockerfile"):
            client.images.build(
                path=str(IMAGES),
                dockerfile=dockerfile.name,
                tag=f"tesk-test-{dockerfile.stem}:1",
            )


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A storage that holds transfers back."""
    with gate_server() as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run one for all tests of a module."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Give an empty page of the ``stack`` of the module."""
    with watched_page(browser, stack.url) as page:
        yield page
