"""Cancel, in every state, leaves nothing and takes seconds."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gate import Gate, gate_server
from scenarios.scenario import logs, shell
from stack import FINAL, Stack, eventually, find_processes, running_stack


@pytest.fixture(
    scope="module",
    params=["sandbox", pytest.param("container", marks=pytest.mark.engine)],
)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp(request.param), engine=request.param
    ) as running:
        yield running


@pytest.fixture
def gate() -> Iterator[Gate]:
    with gate_server() as server:
        yield server


def nothing_left(stack: Stack) -> bool:
    return not stack.leftovers() and not find_processes("tesk_filer", stack.home)


def test_cancel_while_queued(stack: Stack) -> None:
    big = {"resources": {"cpu_cores": stack.machine_cores()}}
    blocker = stack.create({"executors": [shell("sleep 60")], **big})
    stack.wait_for(blocker, "RUNNING")
    waiting = stack.create({"executors": [shell("true")], **big})

    assert stack.state(waiting) == "QUEUED"
    stack.cancel(waiting)

    assert stack.state(waiting) == "CANCELED"
    stack.cancel(blocker)
    stack.wait_for(blocker, "CANCELED", within=10)


def test_cancel_while_inputs_arrive(stack: Stack, gate: Gate) -> None:
    gate.files["/a"] = b"x"
    task_id = stack.create(
        {
            "inputs": [{"path": "/in/a", "url": f"{gate.url}/a"}],
            "executors": [shell("true")],
        }
    )
    gate.wait_for_transfer()

    stack.cancel(task_id)

    stack.wait_for(task_id, "CANCELED", within=10)
    eventually(lambda: nothing_left(stack), what="nothing left")


def test_cancel_while_running_stops_within_seconds(stack: Stack) -> None:
    task_id = stack.create(
        {"executors": [shell("echo before; sleep 1000; echo after")]}
    )
    stack.wait_for(task_id, "RUNNING")
    eventually(
        lambda: "before" in stack.live(task_id)["executors"][0]["stdout"],
        what="live output",
    )

    started = time.monotonic()
    stack.cancel(task_id)
    stack.wait_for(task_id, "CANCELED", within=10)

    assert time.monotonic() - started < 5
    entry = logs(stack.get(task_id))[0]
    assert entry["exit_code"] in (143, 137)
    assert entry["stdout"] == "before\n"
    eventually(lambda: nothing_left(stack), what="nothing left")


def test_cancel_of_a_command_that_ignores_sigterm(stack: Stack) -> None:
    task_id = stack.create(
        {"executors": [shell("trap '' TERM; echo on; while :; do sleep 1; done")]}
    )
    stack.wait_for(task_id, "RUNNING")

    stack.cancel(task_id)

    stack.wait_for(task_id, "CANCELED", within=30)
    eventually(lambda: nothing_left(stack), what="nothing left")


def test_cancel_while_outputs_leave(stack: Stack, gate: Gate) -> None:
    task_id = stack.create(
        {
            "executors": [shell("echo x > /out/a")],
            "outputs": [{"path": "/out/a", "url": f"{gate.url}/a"}],
        }
    )
    gate.wait_for_transfer()

    stack.cancel(task_id)

    stack.wait_for(task_id, "CANCELED", within=10)
    assert [entry["exit_code"] for entry in logs(stack.get(task_id))] == [0]
    eventually(lambda: nothing_left(stack), what="nothing left")


def test_cancel_of_a_final_task_changes_nothing(stack: Stack) -> None:
    task = stack.run({"executors": [shell("true")]})

    stack.cancel(task["id"])
    stack.cancel(task["id"])

    assert stack.get(task["id"]) == task


def test_an_unknown_task_cannot_be_canceled(stack: Stack) -> None:
    assert stack.client.post("/tasks/none:cancel").status_code == 404


def test_fifty_cancels_straight_after_create(stack: Stack) -> None:
    def create_and_cancel(_number: int) -> str:
        task_id = stack.create({"executors": [shell("sleep 1000")]})
        stack.cancel(task_id)
        return task_id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(create_and_cancel, range(50)))

    for task_id in ids:
        stack.wait_for(task_id, *FINAL, within=60)
    assert {stack.state(task_id) for task_id in ids} == {"CANCELED"}
    eventually(lambda: nothing_left(stack), what="nothing left")
