"""Two schedulers on one PostgreSQL: one leads, both serve calls, one may die."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from programs.scheduler import Process
from programs.waiting import eventually
from schedulers.served import SchedulerClient, connected
from servers.postgres import postgres_server
from tesk.v1 import task_pb2
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.dimensions import RUNNING
from tesk_scheduler.domain.leadership import Leadership

pytestmark = pytest.mark.engine

COMPLETE = task_pb2.TASK_STATE_COMPLETE
# Those that stay leave room for others on any machine.
SMALL = task_pb2.Resources(cpu_cores=0.1)


@dataclass(frozen=True, slots=True)
class Replica:
    """A scheduler and a client of it."""

    process: Process
    client: SchedulerClient


@contextmanager
def replica(home: Path, socket: str, url: str) -> Iterator[Replica]:
    """Run one scheduler of several in a folder."""
    process = Process(home, socket=socket, idle="600", lease="2", database=url)
    process.start()
    try:
        with connected(process.address) as client:
            yield Replica(process, client)
    finally:
        if process.running:
            process.end(signal.SIGKILL)
        for pid in process.taskmasters():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_when_the_leader_is_killed_the_other_goes_on(tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server())
        store = SqlTaskStore.open(url)
        stack.callback(store.close)
        leader = stack.enter_context(replica(tmp_path, "a", url))
        other = stack.enter_context(replica(tmp_path, "b", url))

        before = leader.client.create(10) + other.client.create(10)
        leader.client.eventually(lambda: all_are_complete(other.client, before))
        hanging = other.client.create(2, name="hang", resources=SMALL)
        other.client.eventually(
            lambda: all(is_assigned(store, each) for each in hanging)
        )
        epoch = (store.leader() or eventually(store.leader)).epoch
        leader.process.end(signal.SIGKILL)
        eventually(lambda: next_leader(store, epoch))
        after = other.client.create(10)
        other.client.eventually(lambda: all_are_complete(other.client, after))

        attempts = {store_attempt(store, each) for each in before + after + hanging}
        assert attempts == {1}
        usage = store.usage_of_all()
        assert {used[RUNNING] for used in usage.values()} == {len(hanging)}


def test_a_leader_that_ends_in_good_order_gives_the_lead_up(tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server())
        store = SqlTaskStore.open(url)
        stack.callback(store.close)
        leader = stack.enter_context(replica(tmp_path, "a", url))
        first = eventually(store.leader)

        leader.process.end(signal.SIGTERM)
        given_up = store.leader()
        other = stack.enter_context(replica(tmp_path, "b", url))
        now = eventually(lambda: next_leader(store, first.epoch))
        done = other.client.create(3)
        other.client.eventually(lambda: all_are_complete(other.client, done))

        assert first.since is not None
        assert given_up is not None
        assert given_up.is_free(first.since)  # not only once its term is over
        assert now.holder != first.holder


def next_leader(store: SqlTaskStore, epoch: int) -> Leadership | None:
    """Return the leader after ``epoch``, if there is one."""
    known = store.leader()
    return known if known is not None and known.epoch > epoch else None


def all_are_complete(client: SchedulerClient, ids: list[str]) -> bool:
    """Tell whether tasks have ended well."""
    return all(client.get(task_id).state == COMPLETE for task_id in ids)


def is_assigned(store: SqlTaskStore, task_id: str) -> bool:
    """Tell whether some taskmaster has a task."""
    record = store.record(TaskId(task_id))
    return record is not None and record.taskmaster is not None


def store_attempt(store: SqlTaskStore, task_id: str) -> int:
    """Return the number of the latest attempt."""
    record = store.record(TaskId(task_id))
    assert record is not None
    return record.attempt
