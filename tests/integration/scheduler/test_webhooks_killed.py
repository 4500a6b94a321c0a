"""Webhooks between processes: a scheduler that is killed, receivers that are gone."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from programs.ports import free_port
from programs.scheduler import Process, answers
from programs.waiting import eventually
from programs.webhook_receiver import WebhookReceiver
from schedulers.served import SchedulerClient, connected
from servers.trickle import trickling_server
from tesk.v1 import task_pb2
from tesk_cli.adapters.admin_client import AdminClient

SECRET = "whsec_" + "a2V5IG9mIHRoZSByZWNlaXZlcnMgb2YgYSB0ZXN0"
COMPLETE = task_pb2.TASK_STATE_COMPLETE
# Its end may be reported with its beginning.
LIVES = (
    ["QUEUED", "INITIALIZING", "COMPLETE"],
    ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE"],
)


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[Any]:
    """Start receivers at ports; end them after the test."""
    started: list[WebhookReceiver] = []
    (tmp_path / "key").write_text(SECRET)

    def start(port: int) -> WebhookReceiver:
        started.append(WebhookReceiver(tmp_path, port))
        return started[-1]

    yield start
    for each in started:
        each.end()


@contextmanager
def scheduler(
    folder: Path, targets: str, **environ: str
) -> Iterator[tuple[Process, SchedulerClient]]:
    """Run a scheduler process, and connect to it."""
    file = folder / "webhooks.yaml"
    file.write_text(targets)
    process = Process(
        folder,
        environ={
            "TESK_WEBHOOKS_FILE": str(file),
            "TESK_WEBHOOKS_SECRETS": str(folder),
            "TESK_WEBHOOKS_PLAIN_HTTP": "allow",
            "TESK_WEBHOOKS_LOOPBACK": "allow",
            "TESK_WEBHOOKS_LONGEST_PAUSE": "1",
            **environ,
        },
    )
    with ExitStack() as stack:
        process.start()
        stack.callback(_end, process)
        yield process, stack.enter_context(connected(process.address))


def _end(process: Process) -> None:
    if process.running:
        process.end(signal.SIGKILL)
    for pid in process.taskmasters():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def target(port: int, name: str = "lab") -> str:
    return f"{{name: {name}, url: 'http://127.0.0.1:{port}/x', secrets: [key]}}"


def test_events_are_delivered_after_the_scheduler_was_killed_before(
    tmp_path: Path, receivers: Any
) -> None:
    port = free_port()
    (tmp_path / "key").write_text(SECRET)
    with scheduler(tmp_path, f"targets: [{target(port)}]") as (process, client):
        admin = AdminClient(client.channel, "ada")

        def pending() -> int:
            return int(admin.call("ListDeadLetters")["pending"].get("lab", 0))

        _until_expanding(client, pending)
        (task_id,) = client.create()
        client.eventually(lambda: client.get(task_id).state == COMPLETE)
        process.end(signal.SIGKILL)

        receiver = receivers(port)
        process.start()
        client.eventually(lambda: answers(client))

        eventually(lambda: receiver.states(task_id) in LIVES)
        eventually(lambda: pending() == 0)


def test_a_scheduler_that_is_killed_while_it_sends_sends_again(
    tmp_path: Path, receivers: Any
) -> None:
    (tmp_path / "key").write_text(SECRET)
    with (
        trickling_server(b"", then=b"") as port,
        scheduler(
            tmp_path, f"targets: [{target(port)}]", TESK_WEBHOOKS_TIMEOUT="600"
        ) as (process, client),
    ):
        admin = AdminClient(client.channel, "ada")

        def pending() -> int:
            return int(admin.call("ListDeadLetters")["pending"].get("lab", 0))

        _until_expanding(client, pending)
        (task_id,) = client.create()
        eventually(lambda: pending() >= 2)
        process.end(signal.SIGKILL)
        # The same receiver, at another place.
        there = free_port()
        receiver = receivers(there)
        (tmp_path / "webhooks.yaml").write_text(f"targets: [{target(there)}]")
        process.start()
        client.eventually(lambda: answers(client))

        eventually(lambda: receiver.states(task_id)[:1] == ["QUEUED"])
        eventually(lambda: receiver.states(task_id) in LIVES)


def test_of_two_receivers_one_is_dead(tmp_path: Path, receivers: Any) -> None:
    dead, alive = free_port(), free_port()
    receiver = receivers(alive)
    listed = f"targets: [{target(dead, 'dead')}, {target(alive, 'alive')}]"
    with scheduler(tmp_path, listed, TESK_WEBHOOKS_MAX_TRIES="2") as (_, client):
        admin = AdminClient(client.channel, "ada")
        _until_expanding(client, lambda: len(receiver.events()))
        ids = [*client.create(), *client.create()]

        eventually(lambda: all(receiver.states(each) in LIVES for each in ids))
        eventually(lambda: bool(admin.call("ListDeadLetters")["letters"]))

        letters = admin.call("ListDeadLetters")["letters"]
        assert {each["target"] for each in letters} == {"dead"}
        assert {each["error"] for each in letters} == {"refuses connections"}
        assert letters[0]["server"] == f"http://127.0.0.1:{dead}"
        late = receivers(dead)
        eventually(
            lambda: (
                admin.call("RetryDeadLetters", all=True)["letters"] == 0
                and min(len(late.states(each)) for each in ids) >= len(LIVES[0])
            )
        )
        for task_id in ids:
            assert len(late.states(task_id)) >= len(LIVES[0])


def _until_expanding(client: SchedulerClient, heard: Callable[[], int]) -> None:
    """Create and cancel tasks until one is heard of: the scheduler tells, from now on."""

    def is_heard() -> bool:
        (task_id,) = client.create(name="hang")
        client.cancel(task_id)
        return heard() > 0

    eventually(is_heard, every=0.5)
