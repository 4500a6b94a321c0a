"""Attempts are repeated, stopped and isolated by real services."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from programs.stack import Stack, find_processes, running_stack
from programs.waiting import eventually
from scenarios.scenario import codes, shell, system_logs
from servers.gate import Gate

SETTINGS = {
    "TESK_SCHEDULER_RETRIES": "{EXECUTOR_FAILED: {at_once: false}}",
    "TESK_SCHEDULER_RETRY_BACKOFF": "3",
    "TESK_SCHEDULER_MAX_TAKEOVERS": "2",
}
# Two tasks at once, whatever the machine has.
SMALL = {"cpu_cores": 0.1, "ram_gb": 0.1}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Run one whose failed attempts pause, and which gives up early."""
    with running_stack(tmp_path, environ=SETTINGS) as running:
        yield running


def asking(**parameters: str) -> dict[str, object]:
    """Return resources with backend parameters."""
    return {**SMALL, "backend_parameters": parameters}


def test_a_failure_is_repeated_with_its_inputs_and_without_its_outputs(
    stack: Stack, gate: Gate
) -> None:
    gate.files["/code"] = b"7"
    gate.open.set()
    task_id = stack.create(
        {
            "resources": asking(retry_on_exit_codes="7"),
            "inputs": [{"path": "/in/code", "url": f"{gate.url}/code"}],
            "executors": [
                shell("cat /in/code > /out/all; touch /out/$(cat /in/code)"),
                shell("exit $(cat /in/code)"),
            ],
            "outputs": [
                {"path": "/out", "url": f"{gate.url}/results", "type": "DIRECTORY"}
            ],
        }
    )

    eventually(lambda: stack.live(task_id)["reason_code"] == "RETRY_BACKOFF")
    paused = stack.get(task_id)
    before = dict(gate.files)
    gate.files["/code"] = b"0"
    task = stack.finish(task_id)

    assert paused["state"] == "QUEUED"
    assert before == {"/code": b"7"}
    assert task["state"] == "COMPLETE"
    assert codes(task) == [0, 0]
    assert {name for name in gate.files if "results" in name} == {
        "/results/all",
        "/results/0",
    }
    assert "attempt 1 failed: executors[1] ended with exit code 7" in system_logs(task)
    eventually(lambda: not stack.leftovers(), what="the end of its files")


def test_the_last_failure_uploads_its_outputs(stack: Stack) -> None:
    output = stack.files / "partial"
    task_id = stack.create(
        {
            "resources": asking(retry_on_exit_codes="1-9", max_attempts="1"),
            "executors": [shell("echo half > /out/partial; exit 3")],
            "outputs": [{"path": "/out/partial", "url": output.as_uri()}],
        }
    )

    task = stack.finish(task_id)

    assert task["state"] == "EXECUTOR_ERROR"
    assert output.read_text() == "half\n"
    assert "gave up after 1 attempts" in system_logs(task)


@pytest.mark.engine
def test_a_command_that_ran_out_of_memory_gets_more(tmp_path: Path) -> None:
    needs = 64 * 2**20
    limit = {"cpu_cores": 0.1, "ram_gb": 0.04}
    parameters = {"oom_memory_factor": "4", "oom_max_ram_gb": "0.125"}
    dd = ["dd", "if=/dev/zero", "of=/dev/null", f"bs={needs}", "count=1"]
    with running_stack(tmp_path, engine="container", environ=SETTINGS) as stack:
        task_id = stack.create(
            {
                "resources": {**limit, "backend_parameters": parameters},
                "executors": [{"image": "busybox", "command": dd}],
            }
        )

        task = stack.finish(task_id)

    assert task["state"] == "COMPLETE", task
    assert task["resources"]["ram_gb"] == limit["ram_gb"]
    lines = system_logs(task)
    assert "attempt 1 failed: executors[0] ended with exit code 137" in lines
    assert "the next attempt gets 128 MiB of memory instead of 41 MiB" in lines


def test_a_command_that_runs_for_too_long_is_stopped(stack: Stack) -> None:
    task_id = stack.create(
        {
            "resources": asking(max_run_time="2s"),
            "executors": [shell("echo began; exec sleep 1000")],
        }
    )

    task = stack.finish(task_id)

    assert task["state"] == "SYSTEM_ERROR"
    assert codes(task)[0] in (137, 143)
    assert task["logs"][0]["logs"][0]["stdout"] == "began\n"
    assert "ran for longer than 2 s" in system_logs(task)
    assert stack.live(task_id)["reason_code"] == "RUN_TIME_EXCEEDED"
    eventually(lambda: not stack.leftovers(), what="the end of its files")


def test_a_limit_outlives_the_scheduler(stack: Stack) -> None:
    task_id = stack.create(
        {"resources": asking(max_run_time="4"), "executors": [shell("sleep 1000")]}
    )
    stack.wait_for(task_id, "RUNNING")

    stack.kill("scheduler")
    stack.start("scheduler")

    assert stack.finish(task_id)["state"] == "SYSTEM_ERROR"


def test_a_task_that_waits_for_too_long_ends(stack: Stack) -> None:
    cores = Stack.machine_cores()
    whole = {"cpu_cores": cores, "ram_gb": 0.1}
    first = stack.create({"resources": whole, "executors": [shell("sleep 1000")]})
    stack.wait_for(first, "RUNNING")
    limited = {**whole, "backend_parameters": {"max_queue_time": "1"}}
    task_id = stack.create({"resources": limited, "executors": [shell("true")]})

    task = stack.finish(task_id)

    assert task["state"] == "SYSTEM_ERROR"
    assert "waited in the queue for longer than 1 s" in system_logs(task)
    stack.cancel(first)


def taskmaster_of(stack: Stack, task_id: str) -> str:
    """Return which taskmaster has a task and has called; "" if none."""
    database = sqlite3.connect(f"file:{stack.home}/tesk.db?mode=ro", uri=True)
    with contextlib.closing(database):
        query = (
            "SELECT taskmaster.id FROM taskmaster JOIN task ON taskmaster = taskmaster.id"
            " WHERE task.id = ? AND seen"
        )
        found = database.execute(query, [task_id]).fetchone()
    return str(found[0]) if found else ""


def kill_taskmaster(stack: Stack, task_id: str) -> None:
    """End the process that has a task, once it has called."""

    def process() -> int | None:
        name = f"TESK_TASKMASTER_ID={taskmaster_of(stack, task_id)}".encode()
        for pid in find_processes("tesk_taskmaster", stack.home):
            with contextlib.suppress(OSError):
                if name in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    return pid
        return None

    before = eventually(lambda: taskmaster_of(stack, task_id), what="its call")
    pid = eventually(process, what=f"the taskmaster of {task_id}")
    os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: (
            taskmaster_of(stack, task_id) not in ("", before)
            or stack.state(task_id) == "SYSTEM_ERROR"
        ),
        what="another taskmaster",
    )


def test_a_task_that_kills_taskmasters_is_isolated_and_then_given_up(
    stack: Stack,
) -> None:
    waits = "touch /vol/started; while [ ! -e /vol/go ]; do sleep 0.05; done"
    body = {"volumes": ["/vol"], "resources": SMALL, "executors": [shell(waits)]}
    killer, neighbour = stack.create(body), stack.create(body)
    stack.wait_for(killer, "RUNNING")
    stack.wait_for(neighbour, "RUNNING")
    shared = taskmaster_of(stack, killer) == taskmaster_of(stack, neighbour)

    kill_taskmaster(stack, killer)
    kill_taskmaster(stack, killer)
    own = [
        eventually(partial(taskmaster_of, stack, each)) for each in (killer, neighbour)
    ]
    kill_taskmaster(stack, killer)

    given_up = stack.finish(killer)
    (volume,) = (stack.home / "tasks").glob(f"*{neighbour}*/volume/vol")
    (volume / "go").touch()
    done = stack.finish(neighbour)
    assert shared
    assert own[0] != own[1]
    assert given_up["state"] == "SYSTEM_ERROR"
    assert "gave up: it had the last of them for itself" in system_logs(given_up)
    assert done["state"] == "COMPLETE"
    assert "lost" not in system_logs(done)
