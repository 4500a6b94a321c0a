"""Metrics expose tasks, taskmasters and the build."""

from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry

from builders.scheduler_tasks import make_new_task
from fakes.scheduler_environment import FrozenClock
from schedulers.databases import sqlite_database
from schedulers.served import RunningScheduler, make_collector
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.metrics import StoreCollector
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.usecases.status import Status


def test_tasks_and_taskmasters_are_counted(running: RunningScheduler) -> None:
    registry = CollectorRegistry()
    registry.register(make_collector(running))
    running.create(5)
    running.launched(2)

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"tesk_scheduler_{name}")

    running.eventually(lambda: value("tasks_running") == 4)
    assert value("tasks_queued") == 1
    assert value("cpu_used_cores") == 4
    labels = {"state": "QUEUED", "reason": "CAPACITY_FULL"}
    running.eventually(
        lambda: registry.get_sample_value("tesk_scheduler_tasks_waiting", labels) == 1
    )
    oldest = registry.get_sample_value("tesk_scheduler_oldest_wait_seconds", labels)
    assert oldest is not None
    assert oldest > 0
    assert value("taskmasters") == 2
    assert value("taskmaster_slots_free") == 0
    assert value("store_up") == 1


def test_the_build_and_outdated_taskmasters_are_exposed(
    running: RunningScheduler,
) -> None:
    registry = CollectorRegistry()
    registry.register(make_collector(running))
    running.create(3)
    running.launched(2)

    running.launcher.present_revision = "next"

    build = {"version": version("tesk-scheduler"), "revision": "next"}
    assert registry.get_sample_value("tesk_build_info", build) == 1
    assert registry.get_sample_value("tesk_scheduler_taskmasters_outdated") == 2
    assert registry.get_sample_value("tesk_scheduler_taskmaster_slots_free") == 0


def test_ages_tell_of_queue_rounds_and_retention(tmp_path: Path) -> None:
    clock, status, registry = FrozenClock(), Status(), CollectorRegistry()
    store = SqlTaskStore.open(sqlite_database(tmp_path / "tesk.db"))
    kept = timedelta(days=30)
    registry.register(
        StoreCollector(store, lambda: "", status, clock=clock, retention=kept)
    )

    def ages() -> list[float | None]:
        names = ("oldest_queued", "retention_overdue", "last_round_timestamp")
        return [
            registry.get_sample_value(f"tesk_scheduler_{name}_seconds")
            for name in names
        ]

    nothing = ages()
    task = make_new_task("t-1", created_at=clock.now())
    store.write(lambda tx: tx.add_tasks([task]))
    clock.advance(timedelta(seconds=90))
    status.round_at = clock.now()
    waiting = ages()
    store.write(lambda tx: cancel(tx, clock.now()))
    clock.advance(kept + timedelta(seconds=5))
    overdue = ages()
    store.close()

    assert nothing == [0, 0, 0]
    assert waiting == [90, 0, status.round_at.timestamp()]
    assert overdue == [0, 5, status.round_at.timestamp()]


def cancel(tx: Transaction, now: datetime) -> None:
    """Let the one task end."""
    (record,) = tx.records({TaskId("t-1")}).values()
    tx.save(record, record.replaced(state=TaskState.CANCELED, ended_at=now))
