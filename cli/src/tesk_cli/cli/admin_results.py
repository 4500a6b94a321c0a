"""Prints what a scheduler answered operators: tables for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tesk_cli.cli.results import print_json, print_line
from tesk_model.text import escape_line

_SUBJECT = "SUBJECT_KIND_"


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows; the last column may be broken, the others not."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title != titles[-1])
    for row in rows:
        table.add_row(*(escape_line(str(cell)) for cell in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no margin
    console.print(table)


def format_subject(subject: dict[str, Any]) -> str:
    """Format a subject: ``all tasks``, ``user alice``."""
    kind = str(subject["kind"]).removeprefix(_SUBJECT).lower()
    whose = "all tasks" if kind == "all" else f"{kind} {subject['name']}"
    gpu_type = subject.get("gpu_type")
    return f"{whose}, GPUs {gpu_type}" if gpu_type else whose


def format_time(stamp: str | None) -> str:
    """Format a time of a message to the second."""
    return stamp.partition(".")[0].rstrip("Z").replace("T", " ") if stamp else "-"


def print_status(status: dict[str, Any]) -> None:
    """Print what runs and what is held."""
    leader = status["leader"] or "nobody"
    print_line(f"{status['queued']} tasks queued, {status['running']} running")
    print_line(
        f"{status['unreleased']} attempts not released,"
        f" {status['taskmasters']} taskmasters; {leader} leads"
    )
    holds = status["holds"]
    if not holds:
        print_line("nothing is held")
        return
    print_table(
        ("HELD", "SINCE (UTC)", "BY", "REASON"),
        (
            (
                format_subject(hold["subject"]),
                format_time(hold.get("since")),
                hold["operator"],
                hold["reason"],
            )
            for hold in holds
        ),
    )


def print_taskmasters(taskmasters: Sequence[dict[str, Any]]) -> None:
    """Print one row for each taskmaster."""
    print_table(
        ("TASKMASTER", "STATE", "ATTEMPTS", "STARTED (UTC)", "REVISION", "MESSAGE"),
        (
            (
                each["id"],
                each["state"],
                f"{each['assigned']}/{each['slots']}",
                format_time(each.get("started")),
                each["revision"] or "-",
                each["message"],
            )
            for each in taskmasters
        ),
    )


def print_task_results(results: Sequence[dict[str, Any]], done: str) -> None:
    """Print what became of each task."""
    print_table(
        ("ID", "STATE", "RESULT"),
        (
            (
                each["task_id"],
                str(each["state"]).removeprefix("TASK_STATE_"),
                each["problem"] or done,
            )
            for each in results
        ),
    )


def print_findings(findings: Sequence[dict[str, Any]]) -> None:
    """Print what a verification found."""
    print_table(
        ("KIND", "NAME", "FOUND", "REPAIR"),
        (
            (
                each["kind"],
                each["name"],
                each["text"],
                f"done: {each['repair']}" if each["fixed"] else each["repair"] or "-",
            )
            for each in findings
        ),
    )


def print_result(value: Any, line: str, *, json: bool) -> None:
    """Print JSON, or one line for people."""
    if json:
        print_json(value)
    else:
        print_line(line)
