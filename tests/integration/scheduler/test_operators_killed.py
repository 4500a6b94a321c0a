"""A scheduler that dies while it carries out what an operator asked for."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import create_engine, text

from builders.scheduler_tasks import make_new_task
from programs.chaos import KILLED
from programs.scheduler import Process
from programs.waiting import eventually
from schedulers.databases import sqlite_database
from schedulers.served import SECONDS, TOKEN, create_request
from tesk.v1 import task_service_pb2, task_service_pb2_grpc
from tesk_cli.adapters.admin_client import AdminClient
from tesk_model.errors import UnavailableError
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore

ALL = {"kind": "SUBJECT_KIND_ALL"}
ALICE = {"kind": "SUBJECT_KIND_USER", "name": "alice"}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    if process.running:
        process.end(signal.SIGKILL)
    for pid in process.taskmasters():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def calling(process: Process) -> Iterator[tuple[AdminClient, list[str]]]:
    """Connect; give the tasks of alice, of which the first hangs."""
    with open_channel(process.address, token=TOKEN) as channel:
        grpc.channel_ready_future(channel).result(100)
        yield AdminClient(channel, "ada"), create_once(channel)


def create_once(channel: grpc.Channel) -> list[str]:
    """Create one that hangs and one that waits; the same with each call."""
    stub = task_service_pb2_grpc.TaskServiceStub(channel)
    batch = task_service_pb2.BatchCreateTasksRequest(
        requests=[create_request(name="hang", key=key) for key in ("a", "b")]
    )
    answer = invoke(stub.BatchCreateTasks, batch, timeout=SECONDS)
    return [result.task_id for result in answer.results]


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    """Read the database of a scheduler that has died."""
    engine = create_engine(sqlite_url(home / "tesk.db"))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def repair(admin: AdminClient, home: Path) -> None:
    """Count a task too many of everybody, and let that be mended."""
    engine = create_engine(sqlite_url(home / "tesk.db"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE usage SET running = 3"))
    engine.dispose()
    admin.call("Verify", fix=True)


def exported_lines(folder: Path) -> list[bytes]:
    """Return the line of a task of another store."""
    for each in folder.glob("other.db*"):
        each.unlink()
    store = SqlTaskStore.open(sqlite_database(folder / "other.db"))
    store.write(lambda tx: tx.add_tasks([make_new_task("imported")]))
    data, cursor = b"", ""
    while True:
        part = store.export_part(cursor, 10**6)
        data, cursor = data + part.data, part.next_cursor
        if not cursor:
            break
    store.close()
    return [line for line in data.splitlines() if b'"table":"task"}' in line]


Act = Callable[[AdminClient, list[str], Path], Any]

# The unit of work, what is asked for, and a query that is true when it was done.
ACTIONS: dict[str, tuple[str, Act, str]] = {
    "a hold": (
        "Holding.put",
        lambda admin, _ids, _home: admin.call("PutHold", subject=ALICE, reason="r"),
        "SELECT count(*) = 1 FROM hold WHERE name = 'alice'",
    ),
    "a requeue": (
        "Requeueing._requeue",
        lambda admin, ids, _home: admin.call(
            "RequeueTasks", task_ids=ids, reason="hangs"
        ),
        "SELECT count(*) > 0 FROM system_log WHERE line LIKE '%ended by an operator%'",
    ),
    "a cancel": (
        "MassCancellation._cancel",
        lambda admin, _ids, _home: (
            admin.call(
                "CancelTasks",
                filter={"owner": "alice", "state": "TASK_STATE_RUNNING"},
            )["results"]
            or admin.call("CancelTasks", filter={"state": "TASK_STATE_INITIALIZING"})
        ),
        "SELECT count(*) > 0 FROM task WHERE state IN (9, 11)",
    ),
    "a repair": (
        "Verification._usage",
        lambda admin, _ids, home: repair(admin, home),
        "SELECT count(*) = 0 FROM usage WHERE running = 3",
    ),
    "an import": (
        "Importing.lines",
        lambda admin, _ids, home: admin.import_lines(exported_lines(home)),
        "SELECT count(*) = 1 FROM task WHERE id = 'imported'",
    ),
}


@pytest.mark.parametrize("moment", ["written", "committed"])
@pytest.mark.parametrize("name", ACTIONS)
def test_what_was_asked_for_is_done_whole_or_not_at_all_and_can_be_repeated(
    process: Process, tmp_path: Path, name: str, moment: str
) -> None:
    unit, act, done = ACTIONS[name]
    journal = str(tmp_path / "points.txt")
    process.start("-m", KILLED, journal, moment, unit)
    with calling(process) as (admin, ids):
        eventually(lambda: admin.call("GetStatus")["running"] == 2)
        if name == "an import":
            admin.call("PutHold", subject=ALL, reason="r")
        with pytest.raises(UnavailableError):
            act(admin, ids, tmp_path)
    assert process.wait(20) == -signal.SIGKILL
    was_done = bool(rows(tmp_path, done)[0][0])
    process.start()

    with calling(process) as (admin, ids):
        act(admin, ids, tmp_path)
        findings = admin.call("Verify")["findings"]
        held = admin.call("GetStatus")["holds"]
    process.end(signal.SIGKILL)

    assert was_done is (moment == "committed")
    assert rows(tmp_path, done)[0][0]
    assert findings == []
    assert len(held) == (name in ("a hold", "an import"))


def test_nothing_starts_after_a_restart_while_all_is_held(
    process: Process, tmp_path: Path
) -> None:
    process.start()
    with open_channel(process.address, token=TOKEN) as channel:
        grpc.channel_ready_future(channel).result(100)
        AdminClient(channel, "ada").call("PutHold", subject=ALL, reason="night")
        create_once(channel)
    process.end(signal.SIGKILL)
    process.start()

    with calling(process) as (admin, ids):
        eventually(lambda: _reasons(tmp_path, ids) == {"HELD"})
        status = admin.call("GetStatus")

    assert (status["queued"], status["running"]) == (2, 0)


def _reasons(home: Path, ids: list[str]) -> set[str]:
    known = json.dumps(ids)[1:-1].replace('"', "'")
    query = f"SELECT reason_code FROM task WHERE id IN ({known})"  # noqa: S608 - of our own ids
    return {code for (code,) in rows(home, query)}
