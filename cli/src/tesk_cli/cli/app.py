"""Defines the ``tesk`` command line: its commands and their help."""

from importlib import metadata
from typing import Annotated

import typer

from tesk_cli.cli.admin_commands import admin_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.options import Format, OutputFormat
from tesk_cli.cli.results import print_file, print_json, print_line
from tesk_cli.cli.run_command import run
from tesk_cli.cli.storage_commands import storage_app
from tesk_cli.cli.task_commands import task_app
from tesk_cli.cli.validate_command import validate
from tesk_cli.domain.exits import MEANINGS

_EPILOG = "\n\n".join(
    ["Exit codes:", *(f"{code:d}  {text}" for code, text in MEANINGS.items())]
)


def build_app() -> typer.Typer:
    """Return the command; call it with ``obj=Dependencies(...)``."""
    app = typer.Typer(
        no_args_is_help=True,
        epilog=_EPILOG,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    app.command()(run)
    app.command()(serve)
    app.add_typer(task_app, name="task")
    app.add_typer(storage_app, name="storage")
    app.add_typer(admin_app, name="admin")
    app.command()(validate)
    app.command()(examples)
    return app


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - called by typer
    if wanted:
        print_line(f"tesk {metadata.version('tesk-cli')}")
        raise typer.Exit


def root(
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Run GA4GH TES tasks, on this machine or on a server.

    Credentials for a server come from TESK_USER and TESK_PASSWORD, or from the
    netrc file.
    """


def serve(
    context: typer.Context,
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the services log.")
    ] = False,
) -> None:
    """Start a server on this machine and keep it up until Ctrl-C.

    Settings come from the environment: PORT (8080), HOST (127.0.0.1), TESK_HOME
    (state), TESK_ENGINE (auto, container, sandbox), TESK_FILE_ROOTS
    (colon-separated folders that file:// may read and write; ~/tesk-files),
    TESK_REFERENCES ({grch38: /data/grch38}: folders that tasks see as
    ref://grch38/…), TESK_CONFIG (settings file), and all others of
    docs/configuration.md.

    Tasks that run when the server stops go on, and the next start takes them
    up again.
    """
    dependencies: Dependencies = context.obj
    dependencies.serve(verbose)


def examples(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Print this one.")] = "",
    *,
    path: Annotated[
        bool, typer.Option("--path", help="Print the path of its file instead.")
    ] = False,
    output: Format = OutputFormat.TEXT,
) -> None:
    """List the example tasks, or print one of them."""
    dependencies: Dependencies = context.obj
    if name and path:
        print_line(str(dependencies.example_path(name)))
    elif name:
        print_file(dependencies.example_path(name).read_text(encoding="utf-8").rstrip())
    elif output is OutputFormat.JSON:
        print_json(dict(dependencies.examples()))
    else:
        listed = dependencies.examples()
        width = max((len(item) for item in listed), default=0)
        for item, description in listed.items():
            print_line(f"{item:{width}}  {description}")
