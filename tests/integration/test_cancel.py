"""Cancel, in every state, leaves nothing and takes seconds."""

from concurrent.futures import ThreadPoolExecutor

from clients.tes import FINAL
from programs.stack import Stack, find_processes
from programs.waiting import eventually
from scenarios.scenario import logs, shell
from servers.gate import Gate


def nothing_left(stack: Stack) -> bool:
    return not stack.leftovers() and not find_processes("tesk_filer", stack.home)


def test_cancel_while_queued(shared_stack: Stack) -> None:
    big = {"resources": {"cpu_cores": shared_stack.machine_cores()}}
    blocker = shared_stack.create({"executors": [shell("sleep 60")], **big})
    shared_stack.wait_for(blocker, "RUNNING")
    waiting = shared_stack.create({"executors": [shell("true")], **big})

    assert shared_stack.state(waiting) == "QUEUED"
    shared_stack.cancel(waiting)

    assert shared_stack.state(waiting) == "CANCELED"
    shared_stack.cancel(blocker)
    shared_stack.wait_for(blocker, "CANCELED")


def test_cancel_while_inputs_arrive(shared_stack: Stack, gate: Gate) -> None:
    gate.files["/a"] = b"x"
    task_id = shared_stack.create(
        {
            "inputs": [{"path": "/in/a", "url": f"{gate.url}/a"}],
            "executors": [shell("true")],
        }
    )
    gate.wait_for_transfer()
    moving = eventually(
        lambda: shared_stack.live(task_id)["transfers"], what="progress of the inputs"
    )

    shared_stack.cancel(task_id)

    shared_stack.wait_for(task_id, "CANCELED")
    eventually(lambda: nothing_left(shared_stack), what="nothing left")
    assert [(each["path"], each["url"], each["files_done"]) for each in moving] == [
        ("/in/a", f"{gate.url}/a", "0")
    ]
    assert shared_stack.live(task_id)["transfers"] == []


def test_cancel_while_running_stops_the_command(shared_stack: Stack) -> None:
    task_id = shared_stack.create(
        {"executors": [shell("echo before; sleep 1000; echo after")]}
    )
    shared_stack.wait_for(task_id, "RUNNING")
    eventually(
        lambda: "before" in shared_stack.live(task_id)["executors"][0]["stdout"],
        what="live output",
    )

    shared_stack.cancel(task_id)
    shared_stack.wait_for(task_id, "CANCELED")

    entry = logs(shared_stack.get(task_id))[0]
    assert entry["exit_code"] in (143, 137)
    assert entry["stdout"] == "before\n"
    eventually(lambda: nothing_left(shared_stack), what="nothing left")


def test_cancel_of_a_command_that_ignores_sigterm(shared_stack: Stack) -> None:
    task_id = shared_stack.create(
        {"executors": [shell("trap '' TERM; echo on; while :; do sleep 1; done")]}
    )
    shared_stack.wait_for(task_id, "RUNNING")

    shared_stack.cancel(task_id)

    shared_stack.wait_for(task_id, "CANCELED")
    eventually(lambda: nothing_left(shared_stack), what="nothing left")


def test_cancel_while_outputs_leave(shared_stack: Stack, gate: Gate) -> None:
    task_id = shared_stack.create(
        {
            "executors": [shell("echo x > /out/a")],
            "outputs": [{"path": "/out/a", "url": f"{gate.url}/a"}],
        }
    )
    gate.wait_for_transfer()

    shared_stack.cancel(task_id)

    shared_stack.wait_for(task_id, "CANCELED")
    assert [entry["exit_code"] for entry in logs(shared_stack.get(task_id))] == [0]
    eventually(lambda: nothing_left(shared_stack), what="nothing left")


def test_cancel_of_a_final_task_changes_nothing(shared_stack: Stack) -> None:
    task = shared_stack.run({"executors": [shell("true")]})

    shared_stack.cancel(task["id"])
    shared_stack.cancel(task["id"])

    assert shared_stack.get(task["id"]) == task


def test_an_unknown_task_cannot_be_canceled(shared_stack: Stack) -> None:
    assert shared_stack.client.post("/tasks/none:cancel").status_code == 404


def test_fifty_cancels_straight_after_create(shared_stack: Stack) -> None:
    def create_and_cancel(_number: int) -> str:
        task_id = shared_stack.create({"executors": [shell("sleep 1000")]})
        shared_stack.cancel(task_id)
        return task_id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(create_and_cancel, range(50)))

    for task_id in ids:
        shared_stack.wait_for(task_id, *FINAL)
    assert {shared_stack.state(task_id) for task_id in ids} == {"CANCELED"}
    eventually(lambda: nothing_left(shared_stack), what="nothing left")
