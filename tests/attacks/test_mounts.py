"""Files of a task at paths of an image's program do not hide the program."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from programs.stack import Stack, running_stack

pytestmark = pytest.mark.engine

IMAGES = Path(__file__).parents[1] / "cluster" / "images"
IMAGE = "tesk-test-app:1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    client = docker.from_env()
    with contextlib.closing(client):
        client.images.build(path=str(IMAGES), dockerfile="app.Dockerfile", tag=IMAGE)
    with running_stack(tmp_path_factory.mktemp("stack"), engine="container") as running:
        yield running


SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a FILE output": (
        {"command": ["sh", "-c", "./tool | tee /app/result.txt"]},
        {"outputs": [{"path": "/app/result.txt"}]},
    ),
    "stdout": (
        {"command": ["/app/tool"], "stdout": "/app/log.txt"},
        {"outputs": [{"path": "/app/log.txt"}]},
    ),
    "a pattern": (
        {"command": ["sh", "-c", "./tool | tee /app/x.txt"]},
        {"outputs": [{"path": "/app/*.txt", "path_prefix": "/app"}]},
    ),
    "a pattern across folders": (
        {"command": ["sh", "-c", "mkdir -p d/e; ./tool | tee d/e/x.txt"]},
        {"outputs": [{"path": "/app/**.txt", "path_prefix": "/app"}]},
    ),
    "a FILE input": (
        {"command": ["sh", "-c", "./tool; test $(cat in.txt) = x"]},
        {"inputs": [{"path": "/app/in.txt", "content": "x"}]},
    ),
    "a working directory": (
        {"command": ["sh", "-c", "mkdir d; ./tool | tee d/x"], "workdir": "/app"},
        {"outputs": [{"path": "/app/d", "type": "DIRECTORY"}]},
    ),
    "a link to the image's directory": (
        {"command": ["sh", "-c", "/linked/tool | tee /linked/x"]},
        {"outputs": [{"path": "/linked/x"}]},
    ),
    "a folder in a home": (
        {"command": ["sh", "-c", "/app/tool | tee /home/tool/x"], "workdir": "/app"},
        {"outputs": [{"path": "/home/tool/x"}]},
    ),
}


@pytest.mark.parametrize(("executor", "files"), SHAPES.values(), ids=SHAPES)
def test_the_images_tool_runs(
    stack: Stack,
    request: pytest.FixtureRequest,
    executor: dict[str, Any],
    files: dict[str, Any],
) -> None:
    place = stack.files / str(abs(hash(request.node.name)))
    outputs = [entry | {"url": f"file://{place}"} for entry in files.get("outputs", ())]

    task = stack.run(
        {"executors": [{"image": IMAGE} | executor], **files, "outputs": outputs}
    )

    assert task["state"] == "COMPLETE", task
    [log] = task["logs"][0]["logs"]
    assert log["stdout"] == "tool ran\n"
    sizes = [int(entry["size_bytes"]) for entry in task["logs"][0]["outputs"]]
    assert sizes == [len("tool ran\n")] * len(outputs)


def test_an_empty_folder_of_the_image_is_shared(stack: Stack) -> None:
    script = "touch /empty/one; ls /empty"
    executor = {"image": IMAGE, "command": ["sh", "-c", script]}

    task = stack.run(
        {
            "inputs": [{"path": "/empty/in", "content": "x"}],
            "executors": [executor, executor],
        }
    )

    printed = [log["stdout"] for log in task["logs"][0]["logs"]]
    assert printed == ["in\none\n"] * 2


def test_paths_of_a_task_are_its_own(stack: Stack) -> None:
    executor = {"image": IMAGE, "command": ["ls", "-a", "/app"], "workdir": "/"}

    task = stack.run({"volumes": ["/app"], "executors": [executor]})

    assert task["logs"][0]["logs"][0]["stdout"] == ".\n..\n"
