"""Whatever is killed, at whatever moment: every task ends right, and runs once."""

import contextlib
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from programs.stack import Stack, running_stack
from programs.waiting import eventually
from scenarios.scenario import Task, codes, shell, system_logs
from servers.gate import Gate

# Counts its runs in the volume, waits for the test, shows the count.
COUNT_AND_WAIT = (
    "echo run >> /vol/count; touch /vol/started; "
    "while [ ! -e /vol/go ]; do sleep 0.05; done; cat /vol/count > /out/count"
)
SERVICES = ("scheduler", "api", "taskmaster")


def each_killed(*services: str) -> pytest.MarkDecorator:
    """Run a test for each of ``services`` that it kills, on each engine.

    A scheduler and an api do not know which engine they serve: of these, one is enough
    each time.
    """
    cases = [pytest.param("sandbox", each, id=f"sandbox-{each}") for each in services]
    for each in services:
        marks = [pytest.mark.engine]
        if each in ("scheduler", "api"):
            marks.append(pytest.mark.long)
        case = pytest.param("container", each, marks=marks, id=f"container-{each}")
        cases.append(case)
    return pytest.mark.parametrize(
        ("own_stack", "service"), cases, indirect=["own_stack"]
    )


def counting_task(url: str) -> Task:
    return {
        "volumes": ["/vol"],
        "inputs": [{"path": "/in/a", "url": f"{url}/a"}],
        "executors": [shell(COUNT_AND_WAIT)],
        "outputs": [{"path": "/out/count", "url": f"{url}/count"}],
    }


def volume(stack: Stack, task_id: str) -> Path:
    """Return the folder of the task's volume once an executor has started."""

    def look() -> Path | None:
        found = list((stack.home / "tasks").glob(f"*{task_id}*/volume/vol/started"))
        return found[0].parent if found else None

    return eventually(look, what="the start of the executor")


def restart(stack: Stack, killed: str) -> None:
    """Start again what a supervisor would."""
    if killed in ("scheduler", "api"):
        stack.start(killed)


def kill(stack: Stack, service: str) -> None:
    eventually(lambda: stack.pids(service), what=f"a living {service}")
    stack.kill(service)


def check(task: Task, gate: Gate) -> None:
    assert task["state"] == "COMPLETE", task
    assert codes(task) == [0]
    assert gate.files["/count"] == b"run\n"
    assert "lost" not in system_logs(task)
    told = [line.partition(":")[0] for line in system_logs(task).splitlines()]
    assert (told.count("inputs"), told.count("outputs")) == (1, 1), told


@each_killed("scheduler", "api")
def test_killed_straight_after_the_answer(
    service: str, own_stack: Stack, gate: Gate
) -> None:
    gate.files["/a"] = b"input"
    gate.open.set()
    task_id = own_stack.create(counting_task(gate.url))

    kill(own_stack, service)
    restart(own_stack, service)
    (volume(own_stack, task_id) / "go").touch()

    check(own_stack.finish(task_id), gate)


@each_killed(*SERVICES, "filer")
def test_killed_while_inputs_arrive(service: str, own_stack: Stack, gate: Gate) -> None:
    gate.files["/a"] = b"input"
    task_id = own_stack.create(counting_task(gate.url))
    gate.wait_for_transfer()

    kill(own_stack, service)
    restart(own_stack, service)
    gate.open.set()
    (volume(own_stack, task_id) / "go").touch()

    check(own_stack.finish(task_id), gate)


@each_killed(*SERVICES)
def test_killed_while_an_executor_runs(
    service: str, own_stack: Stack, gate: Gate
) -> None:
    gate.files["/a"] = b"input"
    gate.open.set()
    task_id = own_stack.create(counting_task(gate.url))
    folder = volume(own_stack, task_id)

    kill(own_stack, service)
    (folder / "go").touch()
    restart(own_stack, service)

    check(own_stack.finish(task_id), gate)


@each_killed(*SERVICES, "filer")
def test_killed_while_outputs_leave(service: str, own_stack: Stack, gate: Gate) -> None:
    gate.files["/a"] = b"input"
    gate.open.set()
    task_id = own_stack.create(counting_task(gate.url))
    folder = volume(own_stack, task_id)
    gate.open.clear()
    gate.arrived.clear()
    (folder / "go").touch()
    gate.wait_for_transfer()

    kill(own_stack, service)
    restart(own_stack, service)
    gate.open.set()

    check(own_stack.finish(task_id), gate)


def test_all_services_killed_while_an_executor_runs(
    own_stack: Stack, gate: Gate
) -> None:
    gate.files["/a"] = b"input"
    gate.open.set()
    task_id = own_stack.create(counting_task(gate.url))
    folder = volume(own_stack, task_id)

    own_stack.kill()
    (folder / "go").touch()
    own_stack.start()

    check(own_stack.finish(task_id), gate)


def test_a_machine_restart_runs_the_task_again_and_says_so(
    tmp_path: Path, gate: Gate
) -> None:
    gate.files["/a"] = b"input"
    gate.open.set()
    with running_stack(tmp_path) as stack:
        task_id = stack.create(counting_task(gate.url))
        first = volume(stack, task_id)

        stack.kill()
        stack.kill_executors()
        stack.start()
        second = eventually(
            lambda: next(
                (
                    path.parent
                    for path in (stack.home / "tasks").glob("*/volume/vol/started")
                    if path.parent != first
                ),
                None,
            ),
            what="a second attempt",
        )
        (second / "go").touch()
        task = stack.finish(task_id)

    assert task["state"] == "COMPLETE"
    assert gate.files["/count"] == b"run\n"
    assert "attempt 1" in system_logs(task)
    assert len(task["logs"]) == 1


def test_a_thousand_acknowledged_tasks_survive_a_kill(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        all_cores = {"resources": {"cpu_cores": stack.machine_cores()}}
        acknowledged = [stack.create({"executors": [shell("sleep 600")], **all_cores})]
        body = {"executors": [shell("true")], **all_cores}

        def post(_number: int) -> None:
            with contextlib.suppress(httpx.TransportError):
                acknowledged.append(stack.create(body))

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(post, range(1000)))
        stack.kill()
        stack.start()

        listed: set[str] = set()
        token = ""
        while True:
            page = stack.client.get(
                "/tasks", params={"page_size": 500, "page_token": token}
            ).json()
            listed |= {task["id"] for task in page["tasks"]}
            token = page.get("next_page_token", "")
            if not token:
                break

    assert len(acknowledged) == 1001
    assert set(acknowledged) == listed


def test_a_full_disk_refuses_tasks_and_loses_none(tmp_path: Path) -> None:
    body = {"executors": [shell("true")], "description": "x" * 4000}
    with running_stack(tmp_path) as stack:
        kept = stack.run(body)
        (scheduler,) = stack.pids("scheduler")
        limits = resource.prlimit(scheduler, resource.RLIMIT_FSIZE)

        # A file that may not grow answers as a full disk does.
        resource.prlimit(scheduler, resource.RLIMIT_FSIZE, (4096, limits[1]))
        refused = eventually(
            lambda: next(
                (
                    answer
                    for answer in [stack.client.post("/tasks", json=body)]
                    if answer.status_code != 200
                ),
                None,
            ),
            what="a refusal",
        )
        known = _ids(stack)
        again = stack.client.post("/tasks", json=body)
        resource.prlimit(scheduler, resource.RLIMIT_FSIZE, limits)
        after = stack.run(body)

        assert (refused.status_code, again.status_code) == (503, 503)
        assert "Retry-After" in refused.headers
        assert refused.json()["message"]
        assert kept["id"] in known
        assert _ids(stack) == {*known, after["id"]}


def _ids(stack: Stack) -> set[str]:
    page = stack.client.get("/tasks", params={"page_size": 2000}).json()
    return {task["id"] for task in page["tasks"]}


def test_the_api_ends_gracefully(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        assert stack.terminate("api") == 0
        assert stack.terminate("scheduler") == 0
