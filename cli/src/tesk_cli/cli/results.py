"""Prints results on stdout: for people as text, for programs as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tesk_cli.domain.snapshot import Snapshot
from tesk_model.states import TaskState
from tesk_model.text import escape_json, escape_line, escape_lines


def print_json(value: Any) -> None:
    """Print ``value`` as JSON; control characters are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    sys.stdout.write(escape_json(text) + "\n")


def print_line(text: str) -> None:
    """Print one line, which may hold untrusted text; control characters are escaped."""
    sys.stdout.write(escape_line(text) + "\n")


def print_lines(text: str) -> None:
    """Print lines that may hold untrusted text; other control characters are escaped."""
    sys.stdout.write(escape_lines(text) + "\n")


def print_json_text(text: str) -> None:
    """Print JSON that was written elsewhere; control characters are escaped."""
    sys.stdout.write(escape_json(text) + "\n")


def print_file(text: str) -> None:
    """Print a trusted text of several lines."""
    sys.stdout.write(text + "\n")


def print_tasks(
    tasks: Sequence[Mapping[str, Any]], reasons: Mapping[str, Mapping[str, Any]]
) -> None:
    """Print a table of tasks: id and state, and the rest if it was asked for.

    Args:
        tasks: In the order of the rows.
        reasons: By id, ``reason``: what tasks wait for; without any, no such column.
    """
    columns = {"ID": "id", "STATE": "state"}
    if any("creation_time" in task for task in tasks):
        columns |= {"CREATED": "creation_time", "NAME": "name"}
    if reasons:
        columns["WAITS FOR"] = "reason"
    table = Table(box=None, pad_edge=False)
    for title in columns:
        table.add_column(
            title,
            overflow="ellipsis" if title == "WAITS FOR" else "fold",
            no_wrap=title != "NAME",
        )
    for task in tasks:
        known = {**task, "reason": reasons.get(task["id"], {}).get("reason", "")}
        row = (str(known.get(name, "")) for name in columns.values())
        table.add_row(*map(escape_line, row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no margin
    console.print(table)


def print_summary(task: Snapshot) -> None:
    """Print how a task ended: state, exit codes, outputs, stdout and stderr."""
    print_line(f"task {task.id}: {task.state.value}")
    for executor in task.executors:
        print_line(f"  executor {executor.index}: exit code {executor.exit_code}")
    for output in task.outputs:
        print_line(f"  output: {output.url} ({output.size} bytes)")
    if task.state is not TaskState.COMPLETE:
        for line in task.system_logs:
            print_line(f"  note: {line}")
    for executor in task.executors:
        for stream in ("stdout", "stderr"):
            _print_stream(f"executor {executor.index} {stream}", task, executor, stream)


def _print_stream(title: str, task: Snapshot, executor: Any, stream: str) -> None:
    text = getattr(executor, stream)
    if not text:
        return
    lines = text.splitlines()
    shown = lines[-20:]
    print_line(f"  {title}:")
    if len(shown) < len(lines):
        print_line(f"    … (all of it: tesk task logs {task.id})")
    for line in shown:
        print_line(f"    {line.expandtabs()}")
