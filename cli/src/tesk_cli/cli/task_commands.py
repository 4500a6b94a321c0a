"""``tesk task …``: one command for each call of TES."""

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.options import (
    Format,
    NamePrefix,
    OutputFormat,
    Server,
    Tags,
    TaskFile,
    TaskIds,
    Yes,
    tags_of,
)
from tesk_cli.cli.output_printer import OutputPrinter
from tesk_cli.cli.progress import progress
from tesk_cli.cli.results import (
    print_json,
    print_json_text,
    print_line,
    print_lines,
    print_tasks,
)
from tesk_cli.cli.session import connect, console, report
from tesk_cli.cli.taskfile import read_task
from tesk_cli.domain.cache_report import format_cache_report
from tesk_cli.domain.changes import format_reason
from tesk_cli.domain.exits import ExitCode
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.domain.waiting import format_wait, is_waiting
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

    TES has no field for why a task waits or failed: ``--output text`` prints one
    object after the other, and that on stderr; ``json`` prints a list of all, with
    ``reason``, ``reason_code``, ``wait`` and ``input_sizes`` where the server has
    them.
    """
    tes = connect(context.obj, server)
    tasks = [tes.get_task(task_id, view) for task_id in ids]
    if output is OutputFormat.JSON:
        if view is TaskView.FULL:
            pairs = zip(ids, tasks, strict=True)
            tasks = [{**task, **tes.get_extensions(task_id)} for task_id, task in pairs]
        print_json(tasks if len(tasks) > 1 else tasks[0])
        return
    for task_id, task in zip(ids, tasks, strict=True):
        print_json(task)
        if view is TaskView.FULL:
            _explain(tes.watch_task(task_id))


def _explain(task: Snapshot) -> None:
    """Print on stderr why a task waits or ended, and what must happen."""
    if reason := format_reason(task):
        report(console(), f"{task.id}: {reason}")
    for line in format_wait(task):
        report(console(), f"  {line}")


@task_app.command("list")
def list_tasks(
    context: typer.Context,
    *,
    state: Annotated[TaskState | None, typer.Option(help="Only this state.")] = None,
    name_prefix: NamePrefix = "",
    tag: Tags = None,
    view: Annotated[TaskView, typer.Option(help="How much of each.")] = TaskView.BASIC,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """List tasks, the newest first, and what each waits for."""
    query = replace(_query(state, name_prefix, tag, limit=limit), view=view)
    tes = connect(context.obj, server)
    tasks = tes.list_tasks(query)
    waits = view is not TaskView.MINIMAL and any(map(is_waiting, tasks))
    reasons = tes.list_reasons(query) if waits else {}
    if output is OutputFormat.JSON:
        print_json([{**task, **reasons.get(task["id"], {})} for task in tasks])
    else:
        print_tasks(tasks, reasons)


@task_app.command()
def cancel(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Ids of tasks.")
    ] = None,
    *,
    state: Annotated[
        TaskState | None, typer.Option(help="All that are in this state.")
    ] = None,
    name_prefix: NamePrefix = "",
    tag: Tags = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of yours that have not ended.")
    ] = False,
    yes: Yes = False,
    server: Server = "",
) -> None:
    """Stop tasks, by id or all that match. One that has ended is left as it is.

    Tasks that match are counted first, and you are asked.
    """
    query = _query(state, name_prefix, tag, limit=1)
    matching = bool(state or name_prefix or tag or everything)
    if bool(ids) == matching:
        problem = "name tasks, or give --state, --name-prefix, --tag or --all"
        raise InvalidRequestError([Violation("", problem)])
    tes = connect(context.obj, server)
    for task_id in ids or ():
        tes.cancel_task(task_id)
    if not matching:
        return
    count = tes.cancel_matching(query, dry_run=True)
    report(console(), f"{count} tasks match")
    if not count:
        return
    if not yes:
        typer.confirm("Cancel them?", abort=True, err=True)
    canceled = tes.cancel_matching(query, dry_run=False)
    print_line(f"{canceled} tasks canceled")


class ReportFormat(StrEnum):
    """How a record is written."""

    TEXT = "text"
    JSON = "json"
    RO_CRATE = "ro-crate"


@task_app.command("report")
def report_task(
    context: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")],
    *,
    kind: Annotated[
        ReportFormat,
        typer.Option("--format", help="ro-crate: a Workflow Run RO-Crate."),
    ] = ReportFormat.TEXT,
    server: Server = "",
) -> None:
    """Print the record of a task: what ran, on what, when, and what came of it."""
    text = connect(context.obj, server).report_task(task_id, kind.value).rstrip()
    show = print_lines if kind is ReportFormat.TEXT else print_json_text
    show(text)


@task_app.command("why-not-cached")
def why_not_cached(
    context: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")],
    *,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """Tell why a task ran, although the server reuses the results of equal ones.

    Or which task's results it has, and whether its own can be reused.
    """
    found = connect(context.obj, server).why_not_cached(task_id)
    if output is OutputFormat.JSON:
        print_json(found)
        return
    for line in format_cache_report(found):
        print_line(line)


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


def _query(
    state: TaskState | None, name_prefix: str, tags: list[str] | None, *, limit: int
) -> TaskQuery:
    return TaskQuery(
        state=state.value if state else "",
        name_prefix=name_prefix,
        tags=tags_of(tags),
        limit=limit,
    )


def _check_executor(task: Snapshot, executor: int | None) -> None:
    if executor is not None and all(executor != item.index for item in task.executors):
        problem = f"executor {executor} of task {task.id} has not started"
        raise InvalidRequestError([Violation("--executor", problem)])
