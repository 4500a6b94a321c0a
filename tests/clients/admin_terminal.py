"""Runs ``tesk admin`` as an operator types it, on a scheduler of this process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fakes.task_server import FakeTaskServer
from schedulers.running import running_scheduler
from schedulers.served import QUOTA, RunningScheduler
from tesk_cli.adapters.admin_client import AdminClient
from tesk_cli.adapters.examples import example_path, list_examples
from tesk_cli.adapters.validation import parse_task, validate_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.ports.admin import AdminCaller, AdminServer
from tesk_scheduler.config import SchedulerSettings
from tesk_scheduler.domain.quota import Quota

_SETTINGS = SchedulerSettings(tasks_per_taskmaster=2, max_taskmasters=2)


@dataclass
class SteppedClock:
    """Runs a step of a test whenever a command sleeps."""

    steps: list[Any] = field(default_factory=list)
    now: timedelta = timedelta(0)

    def monotonic(self) -> timedelta:
        return self.now

    def sleep(self, duration: timedelta) -> None:
        self.now += duration
        if self.steps:
            self.steps.pop(0)()


@dataclass
class AdminTerminal:
    """Runs commands on a scheduler."""

    running: RunningScheduler
    clock: SteppedClock = field(default_factory=SteppedClock)
    client: type[AdminClient] = AdminClient
    callers: list[AdminCaller] = field(default_factory=list)

    @contextmanager
    def _connect(self, caller: AdminCaller) -> Iterator[AdminServer]:
        self.callers.append(caller)
        yield self.client(self.running.channel, caller.operator)

    def run(self, *arguments: str, stdin: str = "") -> Result:
        dependencies = Dependencies(
            connect=lambda _url: FakeTaskServer(),
            validate=validate_task,
            parse=parse_task,
            storage=lambda _folders: pytest.fail("opens no storage"),
            clock=self.clock,
            local_server=lambda: None,
            embedded=lambda _folders: pytest.fail("starts no server"),
            serve=lambda _verbose: None,
            examples=list_examples,
            example_path=example_path,
            simulation=lambda _quota, _trace: pytest.fail("simulates nothing"),
            admin=self._connect,
        )
        return CliRunner().invoke(
            build_app(),
            ["admin", *arguments],
            obj=dependencies,
            input=stdin,
            env={"TERM": "dumb", "TESK_OPERATOR": "ada"},
        )

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@contextmanager
def admin_terminal(folder: Path, *, quota: Quota = QUOTA) -> Iterator[AdminTerminal]:
    """Give a terminal on a scheduler of its own, whose files are below ``folder``."""
    folder.mkdir()
    with running_scheduler(folder, _SETTINGS, quota=quota) as running:
        yield AdminTerminal(running)
