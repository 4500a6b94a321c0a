"""The life of a task in the logs of all four services, and in its trace."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.stack import Stack
from programs.waiting import eventually
from servers.collector import Collector, collector


@pytest.fixture
def traces() -> Iterator[Collector]:
    """Run a collector of traces."""
    with collector() as kept:
        yield kept


@pytest.fixture
def stack(tmp_path: Path, traces: Collector) -> Iterator[Stack]:
    """Run a TESK that logs JSON, and whose taskmaster may be late on a busy machine."""
    environ = {
        "TESK_LOG_FORMAT": "json",
        "TESK_SCHEDULER_LEASE": "300",
        "TESK_TRACING_ENDPOINT": traces.url,
    }
    stack = Stack(tmp_path, environ=environ)
    stack.start()
    yield stack
    stack.close()


def lines_of(stack: Stack, task_id: str) -> list[dict[str, Any]]:
    """Return what a search for the id of a task finds."""
    lines = stack.log_file.read_text().splitlines()
    return [json.loads(line) for line in lines if task_id in line]


def events(lines: list[dict[str, Any]], service: str) -> list[str]:
    return [line["event"] for line in lines if line["service"] == service]


def run_a_copy(stack: Stack) -> str:
    """Run a task with an input and an output; return its id."""
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
    return task_id


def test_one_search_gives_the_life_of_a_task_in_all_services(stack: Stack) -> None:
    task_id = run_a_copy(stack)

    lines = lines_of(stack, task_id)

    assert all(line["task_id"] == task_id for line in lines)
    assert "request" in events(lines, "api")
    told = events(lines, "scheduler")
    # These come with reports, which may wait for a moment; the filer's come at once.
    told.remove("task state changed")
    told.remove("executor exited")
    assert told == [
        "task created",
        "task admitted",
        "step started",
        "transfer ended",
        "step started",
        "step started",
        "transfer ended",
        "task ended",
    ]
    assert events(lines, "taskmaster") == [
        "attempt started",
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
    counts = {"scheme": "file", "files": 1, "bytes": 5, "failed": 0}
    for [scheme] in moved:
        assert scheme.pop("seconds") > 0
    assert moved == [[counts]] * 2


def test_one_trace_has_the_life_of_a_task_in_all_services(
    stack: Stack, traces: Collector
) -> None:
    run_a_copy(stack)
    eventually(lambda: len(traces.spans) >= 9)

    assert len({span.trace for span in traces.spans}) == 1
    names = {span.id: span.name for span in traces.spans}
    tree = sorted(
        (span.service, names.get(span.parent, ""), span.name) for span in traces.spans
    )
    assert tree == [
        ("tesk-api", "task", "POST /ga4gh/tes/v1/tasks"),
        ("tesk-filer", "attempt 1", "transfer inputs"),
        ("tesk-filer", "attempt 1", "transfer outputs"),
        ("tesk-scheduler", "", "task"),
        ("tesk-scheduler", "task", "attempt 1"),
        ("tesk-scheduler", "task", "queue"),
        ("tesk-taskmaster", "attempt 1", "step in"),
        ("tesk-taskmaster", "attempt 1", "step out"),
        ("tesk-taskmaster", "attempt 1", "step x0"),
    ]
    assert all(span.start <= span.end and not span.failed for span in traces.spans)
