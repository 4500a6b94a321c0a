"""``tesk task …``: one command for each call of TES."""

from datetime import timedelta
from typing import Annotated

import typer

from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.options import Format, OutputFormat, Server, TaskFile, TaskIds
from tesk_cli.cli.output_printer import OutputPrinter
from tesk_cli.cli.progress import progress
from tesk_cli.cli.results import print_json, print_line, print_tasks
from tesk_cli.cli.session import connect, console, report
from tesk_cli.cli.taskfile import read_task
from tesk_cli.domain.changes import format_reason
from tesk_cli.domain.exits import ExitCode
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import TaskQuery
from tesk_cli.usecases.following import Follower
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.states import TaskState
from tesk_model.task import TaskView

task_app = typer.Typer(no_args_is_help=True, help="Submit tasks and look after them.")


@task_app.command()
def create(
    context: typer.Context,
    file: TaskFile,
    *,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """Submit a task and print its id. It runs on without this command."""
    dependencies: Dependencies = context.obj
    task_id = connect(dependencies, server).create_task(
        read_task(file, dependencies.working_folder)
    )
    if output is OutputFormat.JSON:
        print_json({"id": task_id})
    else:
        print_line(task_id)


@task_app.command()
def get(
    context: typer.Context,
    ids: TaskIds,
    *,
    view: Annotated[
        TaskView, typer.Option(help="How much of it to print.")
    ] = TaskView.FULL,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """Print tasks as the server knows them, as JSON.

    ``--output text`` prints one object after the other, and on stderr why each
    waits or failed, which TES has no field for; ``json`` prints a list of all.
    """
    tes = connect(context.obj, server)
    tasks = [tes.get_task(task_id, view) for task_id in ids]
    if output is OutputFormat.JSON and len(tasks) > 1:
        print_json(tasks)
        return
    explains = output is OutputFormat.TEXT and view is TaskView.FULL
    for task_id, task in zip(ids, tasks, strict=True):
        print_json(task)
        if explains and (reason := format_reason(tes.watch_task(task_id))):
            report(console(), f"{task_id}: {reason}")


@task_app.command("list")
def list_tasks(
    context: typer.Context,
    *,
    state: Annotated[TaskState | None, typer.Option(help="Only this state.")] = None,
    name_prefix: Annotated[str, typer.Option(help="Only names that start so.")] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY[=VALUE]", help="Only with this tag; repeatable."),
    ] = None,
    view: Annotated[TaskView, typer.Option(help="How much of each.")] = TaskView.BASIC,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """List tasks, the newest first."""
    pairs = (item.partition("=") for item in tag or [])
    query = TaskQuery(
        state=state.value if state else "",
        name_prefix=name_prefix,
        tags={key: value for key, _, value in pairs},
        view=view,
        limit=limit,
    )
    tasks = connect(context.obj, server).list_tasks(query)
    if output is OutputFormat.JSON:
        print_json(tasks)
    else:
        print_tasks(tasks)


@task_app.command()
def cancel(
    context: typer.Context,
    ids: TaskIds,
    *,
    server: Server = "",
) -> None:
    """Stop tasks. One that has ended already is left as it is."""
    tes = connect(context.obj, server)
    for task_id in ids:
        tes.cancel_task(task_id)


@task_app.command()
def wait(
    context: typer.Context,
    ids: TaskIds,
    *,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Give up then.")
    ] = None,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """Wait until all tasks have ended; exit code 1 if one is not COMPLETE."""
    dependencies: Dependencies = context.obj
    follower = Follower(server=connect(dependencies, server), clock=dependencies.clock)
    limit = None if timeout is None else timedelta(seconds=timeout)
    start = dependencies.clock.monotonic()
    ended: list[Snapshot] = []
    for task_id in ids:
        passed = dependencies.clock.monotonic() - start
        left = None if limit is None else max(timedelta(0), limit - passed)
        with progress(console()) as show:
            for task in follower.follow(task_id, left):
                show(task)
        ended.append(task)
        if output is OutputFormat.TEXT:
            print_line(f"{task.id} {task.state.value}")
    if output is OutputFormat.JSON:
        print_json([{"id": task.id, "state": task.state.value} for task in ended])
    if any(task.state is not TaskState.COMPLETE for task in ended):
        raise typer.Exit(ExitCode.TASK_FAILED)


@task_app.command()
def logs(
    context: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")
    ] = False,
    executor: Annotated[
        int | None, typer.Option(min=0, help="Only this executor, from 0.")
    ] = None,
    server: Server = "",
) -> None:
    """Print what a task printed: its stdout on stdout, its stderr on stderr.

    A server keeps the end of each stream (TESK: 64 KiB).
    """
    dependencies: Dependencies = context.obj
    tes = connect(dependencies, server)
    printer = OutputPrinter(executor)
    if not follow:
        task = tes.watch_task(task_id)
        _check_executor(task, executor)
        printer(task)
        return
    for task in Follower(server=tes, clock=dependencies.clock).follow(task_id):
        printer(task)


def _check_executor(task: Snapshot, executor: int | None) -> None:
    if executor is not None and all(executor != item.index for item in task.executors):
        problem = f"executor {executor} of task {task.id} has not started"
        raise InvalidRequestError([Violation("--executor", problem)])
