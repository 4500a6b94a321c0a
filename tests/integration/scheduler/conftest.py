"""Provides a scheduler in this process, whose taskmasters a test plays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schedulers.running import running_scheduler
from schedulers.served import RunningScheduler
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
