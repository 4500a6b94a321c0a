"""``tesk run``: one task from submission to result, with or without a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import typer

from tesk_cli.cli.doors import Doors
from tesk_cli.cli.options import Format, OutputFormat, Server, TaskFile
from tesk_cli.cli.progress import progress
from tesk_cli.cli.results import print_json, print_summary
from tesk_cli.cli.session import console, say
from tesk_cli.cli.taskfile import read_task, task_folder
from tesk_cli.domain.exits import ExitCode, exit_code_of
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import Clock, TaskServer
from tesk_cli.usecases.following import Follower, WaitTimeoutError
from tesk_model.errors import InvalidRequestError, TeskError, UnavailableError
from tesk_model.task import TaskView

# A restart by `tesk serve` takes less.
_TAKEOVER_PATIENCE = timedelta(seconds=5)
# Somebody else may be starting the server that we shall use.
_START_PATIENCE = timedelta(seconds=30)
_TAKEOVER_PAUSE = timedelta(seconds=0.5)
_CANCEL_PATIENCE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the task runs; ``own`` if the server ends with this command."""

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
    doors: Doors = context.obj
    body = read_task(file, doors.working_folder)
    run = _Run(doors=doors, named=server, file=file, body=body)
    raise typer.Exit(exit_code_of(run.to_end(output)))


@dataclass(slots=True, kw_only=True)
class _Run:
    """One task and the server on which it is, which may change on the way.

    A server of this machine may be that of another ``tesk run``, which takes it
    away when its own task has ended. The state stays, so whoever still has a
    task goes on with a server of its own.
    """

    doors: Doors
    named: str
    file: str
    body: bytes
    task_id: str = ""

    def to_end(self, output: OutputFormat) -> Snapshot:
        """Create the task, follow it to its end, print the result."""
        start = self.doors.clock.monotonic()
        while True:
            try:
                return self._on_one_server(output)
            except UnavailableError:
                waited = self.doors.clock.monotonic() - start
                if self.named or (not self.task_id and waited > _START_PATIENCE):
                    raise
            self.doors.clock.sleep(_TAKEOVER_PAUSE)

    def _on_one_server(self, output: OutputFormat) -> Snapshot:
        url = self.named or self.doors.local_server()
        with _place(self.doors, url, self.file, self.body) as place:
            if not self.task_id:
                self.task_id = place.server.create_task(self.body)
                say(console(), f"task {self.task_id}")
            task = _follow(place, self.task_id, patient=bool(self.named))
            if output is OutputFormat.JSON:
                print_json(place.server.get_task(task.id, TaskView.FULL))
            else:
                print_summary(task)
            return task


@contextmanager
def _place(doors: Doors, url: str | None, file: str, body: bytes) -> Iterator[_Place]:
    if url:
        say(console(), f"server: {url}", style="dim")
        yield _Place(server=doors.connect(url), clock=doors.clock, own=False)
        return
    # Before a server is started for it; other servers judge for themselves.
    problems = doors.validate(body).problems
    if problems:
        raise InvalidRequestError(problems)
    with doors.embedded((task_folder(file),)) as own:
        say(console(), f"own server: {own.url}, engine: {own.engine}", style="dim")
        yield _Place(server=doors.connect(own.url), clock=own, own=True)


def _follow(place: _Place, task_id: str, *, patient: bool) -> Snapshot:
    follower = Follower(server=place.server, clock=place.clock)
    if not patient:
        follower = replace(follower, patience=_TAKEOVER_PATIENCE)
    try:
        with progress(console()) as show:
            for task in follower.follow(task_id):
                show(task)
    except KeyboardInterrupt:
        _interrupted(place, task_id)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return task


def _interrupted(place: _Place, task_id: str) -> None:
    """Leave the task to the server that runs on, or stop it with our own."""
    screen = console()
    if not place.own:
        say(
            screen,
            f"task {task_id} runs on; `tesk task wait {task_id}` waits for it,"
            f" `tesk task cancel {task_id}` stops it",
        )
        return
    say(screen, f"canceling task {task_id} …")
    try:
        place.server.cancel_task(task_id)
        follower = Follower(server=place.server, clock=place.clock)
        for task in follower.follow(task_id, _CANCEL_PATIENCE):
            say(screen, task.state.value)
    except (TeskError, WaitTimeoutError) as error:
        say(screen, str(error))
