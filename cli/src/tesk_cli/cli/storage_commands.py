"""``tesk storage …``: files of storages, moved as a task's inputs and outputs are."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.options import Format, OutputFormat, TaskFile
from tesk_cli.cli.session import console, report
from tesk_cli.cli.storage_results import (
    print_checks,
    print_entries,
    print_moved,
    print_stat,
)
from tesk_cli.cli.taskfile import read_task, task_folder
from tesk_cli.cli.transfer_bar import transfer_bar
from tesk_cli.domain.exits import ExitCode
from tesk_cli.ports import ShowStatus, StorageAccess, StorageFailedError
from tesk_filer.domain.checks import Verdict
from tesk_filer.ports import Entry
from tesk_filer.ports.transfers import TransferResult
from tesk_model.errors import (
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
    Violation,
)
from tesk_model.locations import (
    InvalidLocationError,
    Location,
    parse_location,
)
from tesk_model.task import TransferStatus

storage_app = typer.Typer(
    no_args_is_help=True,
    help="Look at storages and move files, with the settings and credentials of the "
    "filer.",
)

_OTHER_FOLDERS = (
    "files of this machine were judged by the folders that `tesk run` would allow here; "
    "a server that runs allows those of its start (TESK_FILE_ROOTS)"
)

Url = Annotated[
    str, typer.Argument(metavar="URL", help="As in a task: s3://bucket/key, /path, …")
]


@storage_app.command()
def stat(
    context: typer.Context, url: Url, *, output: Format = OutputFormat.TEXT
) -> None:
    """Print kind, size, ETag and checksums of a file, as its storage tells them."""
    dependencies: Dependencies = context.obj
    location = _location("URL", url)
    with dependencies.storage(None) as storage:
        found = storage.stat(url)
    if found is None:
        raise _not_there(location)
    print_stat(location, found, output)


@storage_app.command("ls")
def list_files(
    context: typer.Context,
    url: Url,
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    output: Format = OutputFormat.TEXT,
) -> None:
    """List the files below a directory, at any depth, with their sizes in bytes.

    A URL that ends with a slash is a directory, also where the storage cannot tell
    (http and https).
    """
    dependencies: Dependencies = context.obj
    location = _location("URL", url)
    with dependencies.storage(None) as storage:
        found = storage.stat(url)
        if found is None:
            raise _not_there(location)
        entries: Iterator[Entry] = storage.list(url)
        if not found.is_directory and not location.path.endswith("/"):
            name = location.path.rpartition("/")[2]
            entries = iter([Entry(name=name, size=found.size, etag=found.etag)])
        print_entries(islice(entries, limit), output)
        if next(entries, None) is not None:
            report(console(), f"there are more; --limit is {limit:,}")


@storage_app.command()
def get(
    context: typer.Context,
    url: Url,
    path: Annotated[str, typer.Argument(help="Where to; a folder gets the file.")],
    *,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="All that is below URL, into PATH."),
    ] = False,
    output: Format = OutputFormat.TEXT,
) -> None:
    """Download a file, or all files below a directory, as an input of a task."""
    dependencies: Dependencies = context.obj
    location = _location("URL", url)
    target = Path(path).absolute()
    if not recursive and (target.is_dir() or path.endswith("/")):
        target /= _last_name(location)
    with dependencies.storage(None) as storage, _progress() as show:
        result = storage.get(url, target, is_directory=recursive, show=show)
        print_moved(result, output)
        if result.error and not result.transient:
            _look_why(storage, url, recursive=recursive)
    _end_failed(result)


@storage_app.command()
def put(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file, or a folder with -r.")],
    url: Url,
    *,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="All that is in PATH, below URL."),
    ] = False,
    output: Format = OutputFormat.TEXT,
) -> None:
    """Upload a file, or all files of a folder, as an output of a task.

    A file goes below a URL that ends with a slash.
    """
    dependencies: Dependencies = context.obj
    if not path.exists():
        raise NotFoundError(f"no such file: {path}")
    if path.is_dir() and not recursive:
        problem = "is a folder; give --recursive to upload what is in it"
        raise InvalidRequestError([Violation("PATH", problem)])
    location = _location("URL", url)
    if url.endswith("/") and not recursive:
        url += location.write_name(path.absolute().name)  # also that of a link
        _location("URL", url)  # not every scheme takes every name
    with dependencies.storage(None) as storage, _progress() as show:
        result = storage.put(path.absolute(), url, show=show)
    print_moved(result, output)
    _end_failed(result)


@storage_app.command()
def check(
    context: typer.Context,
    file: TaskFile,
    *,
    write_probe: Annotated[
        bool,
        typer.Option(
            "--write-probe",
            help="Write an empty file of a hidden name beside each output, and remove "
            "it, where the storage lets files be removed.",
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON; the same as --output json.")
    ] = False,
    output: Format = OutputFormat.TEXT,
) -> None:
    """Check that all inputs of a task can be read and all outputs written.

    Nothing runs and nothing is overwritten. Exit code 1 if something cannot; what is
    not known is told, and is no failure. Files of this machine are those that
    `tesk run` would allow if it started a server here; one that runs has its own
    folders.
    """
    dependencies: Dependencies = context.obj
    task = dependencies.parse(read_task(file, dependencies.working_folder))
    with dependencies.storage((task_folder(file),)) as storage:
        checks = list(storage.check(task, write_probe=write_probe))
    print_checks(checks, OutputFormat.JSON if json else output)
    if any(each.url.startswith(("/", "file:")) for each in checks):
        report(console(), _OTHER_FOLDERS)
    if any(each.verdict is Verdict.FAILED for each in checks):
        raise typer.Exit(ExitCode.TASK_FAILED)


def _look_why(storage: StorageAccess, url: str, *, recursive: bool) -> None:
    """After a download that failed for good: report what ``--recursive`` has to do with it.

    Raises:
        typer.Exit: Nothing is there.
    """
    try:
        found = storage.stat(url)
    except (StorageFailedError, UnavailableError):
        return  # the error of the download says it
    if found is None:
        raise typer.Exit(ExitCode.NOT_FOUND)
    if found.is_directory and not recursive:
        report(console(), "give --recursive to download what is below it")
    if recursive and not found.is_directory:
        report(console(), "without --recursive it is downloaded as one file")


def _end_failed(result: TransferResult) -> None:
    """End with the exit code of what was not moved, if anything was not."""
    if result.error:
        passing = result.transient
        raise typer.Exit(ExitCode.UNAVAILABLE if passing else ExitCode.TASK_FAILED)


@contextmanager
def _progress() -> Iterator[ShowStatus]:
    """Yield what shows a transfer: a bar on a terminal, else nothing."""
    target = console()
    if not target.is_terminal:
        yield lambda _status: None
        return
    with Live(console=target, refresh_per_second=8, transient=True) as live:

        def show(status: TransferStatus) -> None:
            live.update(transfer_bar(status))

        yield show


def _location(argument: str, url: str) -> Location:
    try:
        return parse_location(url)
    except InvalidLocationError as error:
        raise InvalidRequestError([Violation(argument, str(error))]) from error


def _not_there(location: Location) -> NotFoundError:
    return NotFoundError(f"{location}: does not exist")


def _last_name(location: Location) -> str:
    """Return the name of the file of a url.

    Raises:
        InvalidRequestError: It has none that can be a name here.
    """
    name = location.path.rstrip("/").rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        problem = "names no file; give --recursive, or the name of the file as PATH"
        raise InvalidRequestError([Violation("URL", problem)])
    return name
