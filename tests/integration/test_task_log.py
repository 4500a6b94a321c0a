"""The life of a task in the logs of all four services."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.stack import Stack
from programs.waiting import eventually


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Run a TESK that logs JSON."""
    stack = Stack(tmp_path, environ={"TESK_LOG_FORMAT": "json"})
    stack.start()
    yield stack
    stack.close()


def lines_of(stack: Stack, task_id: str) -> list[dict[str, Any]]:
    """Return what a search for the id of a task finds."""
    lines = stack.log_file.read_text().splitlines()
    return [json.loads(line) for line in lines if task_id in line]


def events(lines: list[dict[str, Any]], service: str) -> list[str]:
    return [line["event"] for line in lines if line["service"] == service]


def test_one_search_gives_the_life_of_a_task_in_all_services(stack: Stack) -> None:
    (stack.files / "in").write_text("hello")
    task_id = stack.create(
        {
            "executors": [{"image": "any", "command": ["cp", "/work/in", "/work/out"]}],
            "inputs": [{"path": "/work/in", "url": f"file://{stack.files}/in"}],
            "outputs": [{"path": "/work/out", "url": f"file://{stack.files}/out"}],
        },
    )
    stack.wait_for(task_id, "COMPLETE")
    eventually(lambda: "attempt released" in stack.log_file.read_text())

    lines = lines_of(stack, task_id)

    assert all(line["task_id"] == task_id for line in lines)
    assert "request" in events(lines, "api")
    told = events(lines, "scheduler")
    told.remove("task state changed")  # it may be told with the exit
    assert told == [
        "task created",
        "task admitted",
        "step started",
        "transfer ended",
        "step started",
        "executor exited",
        "step started",
        "transfer ended",
        "task ended",
    ]
    assert events(lines, "taskmaster") == [
        "attempt taken up",
        *["step started", "step ended"] * 3,
        "attempt ended",
        "attempt released",
    ]
    assert events(lines, "filer") == ["transfer started", "transfer ended"] * 2
    created, request = (
        next(line for line in lines if line["event"] == event)
        for event in ("task created", "request")
    )
    assert created["request_id"] == request["request_id"] != ""
    moved = [line["moved"] for line in lines if line.get("moved")]
    assert moved == [[{"scheme": "file", "files": 1, "bytes": 5}]] * 2
