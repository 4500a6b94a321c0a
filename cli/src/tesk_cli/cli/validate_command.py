"""``tesk validate``: what is wrong with a task, and what a server would make of it."""

from typing import Annotated

import typer

from tesk_cli.cli.check_results import print_check
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.options import Format, OutputFormat, Server, TaskFile
from tesk_cli.cli.results import print_json, print_line
from tesk_cli.cli.session import connect
from tesk_cli.cli.taskfile import read_task
from tesk_cli.domain.exits import ExitCode


def validate(
    context: typer.Context,
    file: TaskFile,
    *,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Ask a server, which also looks at inputs, outputs, limits and its "
            "queue. Nothing is created. So does --server.",
        ),
    ] = False,
    server: Server = "",
    output: Format = OutputFormat.TEXT,
) -> None:
    """List every problem of a task by its path, without submitting it.

    Asked of a server, the exit code is 0 if the task could run there, and 1 if it
    would not; what is not known is told, and is no failure.
    """
    dependencies: Dependencies = context.obj
    body = read_task(file, dependencies.working_folder)
    # TESK_SERVER alone names the server of other commands.
    source = context.get_parameter_source("server")
    is_named = source is not None and source.name == "COMMANDLINE"
    if dry_run or is_named:
        check = connect(dependencies, server).check_task(body)
        print_check(check, output)
        if not check.get("would_run"):
            raise typer.Exit(ExitCode.TASK_FAILED)
        return
    _validate_here(dependencies, body, output)


def _validate_here(
    dependencies: Dependencies, body: bytes, output: OutputFormat
) -> None:
    result = dependencies.validate(body)
    if output is OutputFormat.JSON:
        problems = [
            {"path": item.path, "message": item.message} for item in result.problems
        ]
        print_json({"problems": problems, "warnings": list(result.warnings)})
    else:
        for problem in result.problems:
            print_line(str(problem))
        for warning in result.warnings:
            print_line(f"warning: {warning}")
        if not result.problems:
            print_line("valid")
    if result.problems:
        raise typer.Exit(ExitCode.INVALID)
