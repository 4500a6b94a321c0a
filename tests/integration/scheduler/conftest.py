"""Provides a scheduler in this process, whose taskmasters a test plays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.databases import sqlite_database
from schedulers.running import running_scheduler
from schedulers.served import RunningScheduler
from schedulers.stepped import SteppedSchedulers
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.config import SchedulerSettings


@pytest.fixture
def scheduler_settings() -> SchedulerSettings:
    """Decide on the settings; a test module may override it."""
    return SchedulerSettings(tasks_per_taskmaster=2, max_taskmasters=2)


@pytest.fixture
def running(
    tmp_path: Path, scheduler_settings: SchedulerSettings
) -> Iterator[RunningScheduler]:
    """Run a scheduler."""
    with running_scheduler(tmp_path, scheduler_settings) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlTaskStore]:
    """Open an empty store."""
    store = SqlTaskStore.open(sqlite_database(tmp_path / "tesk.db"))
    yield store
    store.close()


@pytest.fixture
def stepped(store: SqlTaskStore) -> SteppedSchedulers:
    """Prepare schedulers of which nothing runs by itself."""
    return SteppedSchedulers(store=store, launcher=FakeLauncher(), clock=FrozenClock())
