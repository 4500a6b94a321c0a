"""What a container task takes before and after its command.

Beside it stand the engine's own calls for the same container without TESK, taken
in turns: the same image, memory and number of cores, no network of its own.
"""

import os
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import docker

from clients.tes import FINAL
from programs.stack import Stack
from runtime import TRIVIAL

Row = tuple[str, str, str, str]
HEADER: Row = ("trivial container task", "TESK", "bare container", "ratio")

_BARE: dict[str, Any] = {"Image": "busybox", "Cmd": ["date", "+%s"]}


def rows(stack: Stack, *, quick: bool) -> Iterator[Row]:
    """Measure one after another, without and with TESK."""
    client = docker.from_env(timeout=60).api
    _task(stack)  # the first taskmaster starts
    times = [(_task(stack), _bare(client)) for _ in range(5 if quick else 15)]
    for number, what in enumerate(("before its command", "after its command")):
        with_tesk = [task[number] for task, _ in times]
        without = [bare[number] for _, bare in times]
        ratio = statistics.median(with_tesk) / statistics.median(without)
        yield what, _spread(with_tesk), _spread(without), f"{ratio:.2f}"


def _task(stack: Stack) -> tuple[float, float]:
    """Return the seconds from POST to the command, and from it to COMPLETE."""
    posted = datetime.now(UTC)
    task_id = stack.create(TRIVIAL)
    stack.wait_for(task_id, *FINAL, every=0.01)
    seen = datetime.now(UTC)
    task = stack.get(task_id)
    if task["state"] != "COMPLETE":
        message = f"the task failed: {task}"
        raise RuntimeError(message)
    log = task["logs"][0]["logs"][0]
    began, ended = (
        datetime.fromisoformat(log[name]) for name in ("start_time", "end_time")
    )
    return (began - posted).total_seconds(), (seen - ended).total_seconds()


def _bare(client: Any) -> tuple[float, float]:
    """Return the seconds of create and start, and from there to the end known."""
    name = f"tesk-bench-{os.getpid()}"
    posted = time.perf_counter()
    client.create_container_from_config(_BARE, name)
    try:
        client.start(name)
        started = time.perf_counter()
        client.wait(name)
        return started - posted, time.perf_counter() - started
    finally:
        client.remove_container(name, force=True)


def _spread(seconds: list[float]) -> str:
    return (
        f"{statistics.median(seconds) * 1000:.0f} ms "
        f"({min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f})"
    )
