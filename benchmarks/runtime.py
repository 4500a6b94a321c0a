"""How long tasks take on one machine, beyond what their commands take."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from clients.tes import FINAL
from programs.stack import Stack

Row = tuple[str, str, str]

TRIVIAL: dict[str, Any] = {
    "executors": [{"image": "busybox", "command": ["true"]}],
    "resources": {"cpu_cores": 0.1, "ram_gb": 0.1},
}


def rows(stack: Stack, *, quick: bool) -> Iterator[Row]:
    """Measure single tasks one after another, then many at once."""
    runs = 10 if quick else 30
    _latency(stack, TRIVIAL)  # the first taskmaster starts
    trivial = [_latency(stack, TRIVIAL) for _ in range(runs)]
    yield "trivial task, POST to COMPLETE", _spread(trivial), "≤ 60 ms"

    moving = _moving_task(stack.files)
    both = [_latency(stack, moving) for _ in range(runs // 3)]
    yield "task with a file:// input and output", _spread(both), "≤ 800 ms"

    count = 200
    seconds = _many(stack, count)
    yield f"{count} trivial tasks at once", f"{count / seconds:.0f} tasks/s", "≥ 50/s"


def _spread(seconds: list[float]) -> str:
    return (
        f"{statistics.median(seconds) * 1000:.0f} ms "
        f"({min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f})"
    )


def _moving_task(files: Path) -> dict[str, Any]:
    (files / "input").write_bytes(b"x" * 100_000)
    return {
        "inputs": [{"path": "/in/a", "url": f"file://{files}/input"}],
        "executors": [{"image": "busybox", "command": ["cp", "/in/a", "/out/b"]}],
        "outputs": [{"path": "/out/b", "url": f"file://{files}/output"}],
        "resources": {"cpu_cores": 0.1, "ram_gb": 0.1},
    }


def _latency(stack: Stack, body: dict[str, Any]) -> float:
    """Return seconds from POST to COMPLETE for a client that polls every 10 ms."""
    started = time.perf_counter()
    task_id = stack.create(body)
    stack.wait_for(task_id, *FINAL, every=0.01)
    seconds = time.perf_counter() - started
    if stack.state(task_id) != "COMPLETE":
        message = f"the task failed: {stack.get(task_id)}"
        raise RuntimeError(message)
    return seconds


def _many(stack: Stack, count: int) -> float:
    """Return seconds from the first POST of many until all are final."""
    tag = f"wave-{time.time_ns()}"
    body = TRIVIAL | {"tags": {"wave": tag}}
    started = time.perf_counter()
    for _ in range(count):
        stack.create(body)
    query: dict[str, str | int] = {
        "page_size": count,
        "tag_key": "wave",
        "tag_value": tag,
        "state": "COMPLETE",
    }
    while True:
        answer: httpx.Response = stack.client.get("/tasks", params=query)
        if len(answer.json()["tasks"]) == count:
            return time.perf_counter() - started
        time.sleep(0.02)
