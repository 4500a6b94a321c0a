"""``tesk admin export`` and ``import``: all tasks in a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from tesk_cli.cli.admin_options import (
    DryRun,
    Json,
    Operator,
    TlsName,
    connect_admin,
)
from tesk_cli.cli.admin_results import print_result
from tesk_cli.cli.session import console, report
from tesk_cli.ports.admin import AdminServer
from tesk_cli.usecases.archives import (
    check_archive,
    send_archive,
    write_archive,
)
from tesk_model.errors import ConflictError, InvalidRequestError, Violation

_ALL = {"kind": "SUBJECT_KIND_ALL"}
_IMPORTING = "tasks of another database are being imported"
_REPORT_EVERY = 10_000

ArchiveFile = Annotated[Path, typer.Argument(metavar="FILE", help="Lines of JSON.")]


def export(
    context: typer.Context,
    file: ArchiveFile,
    *,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Also while tasks run or may start: each task is then as it was at"
            " one moment, but not all at the same.",
        ),
    ] = False,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write all tasks with their logs to a new file, which others cannot read.

    `tesk admin drain` first, and let nobody create tasks meanwhile.
    """
    if file.exists():
        raise InvalidRequestError([Violation("FILE", f"{file} exists already")])
    with connect_admin(context, operator, tls_name) as server:
        status = server.call("GetStatus")
        if not live:
            _check_quiet(status)
        if dry_run:
            print_result(status, f"would write all tasks to {file}", json=json)
            return
        with _new_file(file) as target:
            summary = write_archive(server, target, _progress("exported"))
    line = f"{summary.tasks} tasks in {file}, sha256 {summary.sha256}"
    print_result({"tasks": summary.tasks, "sha256": summary.sha256}, line, json=json)


def import_(
    context: typer.Context,
    file: ArchiveFile,
    *,
    beside: Annotated[
        bool,
        typer.Option(
            "--beside",
            help="Also where there are tasks already; those with the same id stay as"
            " they are. Repeats an import that was interrupted.",
        ),
    ] = False,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Store the tasks of a file; each is read back and compared before it counts.

    Everything is held meanwhile, and stays held if the import fails.
    """
    with file.open("rb") as source:
        header, summary = check_archive(source)
    with connect_admin(context, operator, tls_name) as server:
        server.begin_import(header, allow_tasks=beside, dry_run=True)
        if dry_run:
            line = f"would import {summary.tasks} tasks; the file is complete"
            print_result({"tasks": summary.tasks}, line, json=json)
            return
        with _held(server), file.open("rb") as source:
            server.begin_import(header, allow_tasks=beside, dry_run=False)
            count = send_archive(server, source, summary, _progress("imported"))
    line = f"{count.imported} tasks imported, {count.present} were there already"
    print_result(count._asdict(), line, json=json)


@contextmanager
def _held(server: AdminServer) -> Iterator[None]:
    """Hold everything, unless it is held; end that only after success."""
    held = _all_held(server.call("GetStatus"))
    if not held:
        server.call("PutHold", subject=_ALL, reason=_IMPORTING)
    try:
        yield
    except BaseException:
        report(console(), "all tasks stay held: `tesk admin release --all` ends that")
        raise
    if not held:
        server.call("RemoveHold", subject=_ALL)


def _all_held(status: dict[str, Any]) -> bool:
    return any(
        hold["subject"]["kind"] == "SUBJECT_KIND_ALL" for hold in status["holds"]
    )


def _check_quiet(status: dict[str, Any]) -> None:
    if not _all_held(status) or status["running"] or status["unreleased"]:
        raise ConflictError(
            "tasks run or may start; `tesk admin drain` first, or give --live"
        )


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file for this user alone, which gets its name when it is complete."""
    partial = path.with_name(f"{path.name}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(partial, flags, 0o600), "wb") as target:
        yield target
        target.flush()
        os.fsync(target.fileno())
    os.link(partial, path)
    partial.unlink()


def _progress(verb: str) -> Any:
    shown = 0

    def show(tasks: int) -> None:
        nonlocal shown
        if tasks - shown >= _REPORT_EVERY:
            report(console(), f"{tasks:,} tasks {verb}")
            shown = tasks

    return show
