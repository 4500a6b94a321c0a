"""Prints what ``tesk storage`` found: for people as text, for programs as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tesk_cli.cli.options import OutputFormat
from tesk_cli.cli.results import print_json, print_line
from tesk_cli.cli.session import console, report
from tesk_filer.domain.checks import Check
from tesk_filer.ports import Entry, Stat
from tesk_filer.ports.transfers import TransferResult
from tesk_model.locations import Location
from tesk_model.progress import bytes_per_second, format_moved
from tesk_model.text import escape_line


def print_stat(location: Location, found: Stat, output: OutputFormat) -> None:
    """Print a file or directory; what the storage does not tell is left out."""
    values: dict[str, Any] = {
        "url": str(location),
        "kind": "directory" if found.is_directory else "file",
        "size": found.size,
        "etag": found.etag or None,
        **found.checksums,
    }
    known = {name: value for name, value in values.items() if value is not None}
    if output is OutputFormat.JSON:
        print_json(known)
        return
    for name, value in known.items():
        print_line(f"{name}: {value}")


def print_entries(entries: Iterable[Entry], output: OutputFormat) -> None:
    """Print files while they are listed; JSON when all are."""
    if output is OutputFormat.JSON:
        print_json([_entry_json(entry) for entry in entries])
        return
    for entry in entries:
        size = "" if entry.size is None else str(entry.size)
        slash = "/" if entry.is_directory else ""
        print_line(f"{size:>15}  {entry.name}{slash}")


def print_moved(result: TransferResult, output: OutputFormat) -> None:
    """Print what was moved, in what time; warnings and the error on stderr."""
    for line in (*result.warnings, *filter(None, [result.error])):
        report(console(), line)
    moved = result.bytes - result.resumed_bytes
    if output is OutputFormat.JSON:
        print_json(
            {
                "files": result.files,
                "bytes": result.bytes,
                "seconds": round(result.seconds, 3),
                "bytes_per_second": bytes_per_second(moved, result.seconds),
                "warnings": list(result.warnings),
                "error": result.error,
            }
        )
    else:
        print_line(format_moved(result.files, result.bytes, result.seconds))


def print_checks(checks: Sequence[Check], output: OutputFormat) -> None:
    """Print one row for each input and output."""
    if output is OutputFormat.JSON:
        print_json([asdict(check) for check in checks])
        return
    table = Table(box=None, pad_edge=False)
    for title in ("FIELD", "RESULT", "PATH", "URL", "FOUND"):
        table.add_column(title, overflow="fold", no_wrap=title in ("FIELD", "RESULT"))
    for check in checks:
        cells = (check.field, check.verdict, check.path, check.url, check.message)
        table.add_row(*map(escape_line, cells))
    target = Console(markup=False, highlight=False)
    if not target.is_terminal:
        target.width = 10_000  # a pipe has no margin
    target.print(table)


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": "directory" if entry.is_directory else "file",
        "size": entry.size,
        "etag": entry.etag,
        "checksums": dict(entry.checksums),
    }
