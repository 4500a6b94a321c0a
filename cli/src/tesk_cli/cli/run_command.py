"""``tesk run``: runs one task from submission to result."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import typer

from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.options import Format, OutputFormat, Server, TaskFile
from tesk_cli.cli.progress import progress
from tesk_cli.cli.results import print_json, print_summary
from tesk_cli.cli.session import console, report
from tesk_cli.cli.taskfile import read_task, task_folder
from tesk_cli.domain.exits import ExitCode, exit_code_of
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import Clock, TaskServer
from tesk_cli.usecases.following import Follower, WaitTimeoutError
from tesk_model.errors import InvalidRequestError, TeskError, UnavailableError
from tesk_model.task import TaskView

# A restart by `tesk serve` takes less.
_TAKEOVER_TIMEOUT = timedelta(seconds=5)
# Another process may be starting the server that this command will use.
_START_TIMEOUT = timedelta(seconds=30)
_TAKEOVER_PAUSE = timedelta(seconds=0.5)
_CANCEL_TIMEOUT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The server that runs the task; ``own`` if it ends with this command."""

    server: TaskServer
    clock: Clock
    own: bool


def run(
    context: typer.Context,
    file: TaskFile,
    *,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """Run a task, show its progress and result, and end with its exit code.

    Uses --server if given, else the server that runs on this machine, else one
    of its own for as long as the task runs.

    In the urls of the task's inputs and outputs, ${TASK_DIR} stands for the
    folder of FILE and ${PWD} for the current folder.
    """
    dependencies: Dependencies = context.obj
    body = read_task(file, dependencies.working_folder)
    run = _Run(dependencies=dependencies, named=server, file=file, body=body)
    raise typer.Exit(exit_code_of(run.to_end(output)))


@dataclass(slots=True, kw_only=True)
class _Run:
    """One task and the server that runs it, which may change on the way.

    The server of this machine may belong to another ``tesk run``, which stops it
    when its own task has ended. The state stays, so this command goes on with a
    server of its own.
    """

    dependencies: Dependencies
    named: str
    file: str
    body: bytes
    task_id: str = ""

    def to_end(self, output: OutputFormat) -> Snapshot:
        """Create the task, follow it to its end, print the result."""
        start = self.dependencies.clock.monotonic()
        while True:
            try:
                return self._on_one_server(output)
            except UnavailableError:
                waited = self.dependencies.clock.monotonic() - start
                if self.named or (not self.task_id and waited > _START_TIMEOUT):
                    raise
            self.dependencies.clock.sleep(_TAKEOVER_PAUSE)

    def _on_one_server(self, output: OutputFormat) -> Snapshot:
        url = self.named or self.dependencies.local_server()
        with _open_target(self.dependencies, url, self.file, self.body) as target:
            if not self.task_id:
                self.task_id = target.server.create_task(self.body)
                report(console(), f"task {self.task_id}")
            task = _follow(target, self.task_id, named=bool(self.named))
            if output is OutputFormat.JSON:
                print_json(target.server.get_task(task.id, TaskView.FULL))
            else:
                print_summary(task)
            return task


@contextmanager
def _open_target(
    dependencies: Dependencies, url: str | None, file: str, body: bytes
) -> Iterator[_Target]:
    if url:
        report(console(), f"server: {url}", style="dim")
        yield _Target(
            server=dependencies.connect(url), clock=dependencies.clock, own=False
        )
        return
    # Before a server is started for it; other servers validate by themselves.
    problems = dependencies.validate(body).problems
    if problems:
        raise InvalidRequestError(problems)
    with dependencies.embedded((task_folder(file),)) as own:
        report(console(), f"own server: {own.url}, engine: {own.engine}", style="dim")
        yield _Target(server=dependencies.connect(own.url), clock=own, own=True)


def _follow(target: _Target, task_id: str, *, named: bool) -> Snapshot:
    follower = Follower(server=target.server, clock=target.clock)
    if not named:
        follower = replace(follower, unavailable_timeout=_TAKEOVER_TIMEOUT)
    try:
        with progress(console()) as show:
            for task in follower.follow(task_id):
                show(task)
    except KeyboardInterrupt:
        _handle_interrupt(target, task_id)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return task


def _handle_interrupt(target: _Target, task_id: str) -> None:
    """Leave the task to a server that keeps running, or cancel it on our own."""
    stderr = console()
    if not target.own:
        report(
            stderr,
            f"task {task_id} runs on; `tesk task wait {task_id}` waits for it,"
            f" `tesk task cancel {task_id}` stops it",
        )
        return
    report(stderr, f"canceling task {task_id} …")
    try:
        target.server.cancel_task(task_id)
        follower = Follower(server=target.server, clock=target.clock)
        for task in follower.follow(task_id, _CANCEL_TIMEOUT):
            report(stderr, task.state.value)
    except (TeskError, WaitTimeoutError) as error:
        report(stderr, str(error))
