"""``tesk admin simulate``: tries a quota on a trace, without a server."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tesk_cli.cli.admin_options import Json
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.results import print_json, print_line
from tesk_cli.domain.simulation.picture import draw_blocks, draw_svg
from tesk_cli.domain.simulation.report import OwnerReport, Report, make_report
from tesk_cli.domain.simulation.simulator import simulate as simulate_trace
from tesk_cli.domain.simulation.trace import Trace
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.text import escape_line

_MOST_ROWS = 50


def simulate(
    context: typer.Context,
    quota: Annotated[
        Path, typer.Argument(metavar="QUOTA", help="As of the setting quota.file.")
    ],
    trace: Annotated[
        str,
        typer.Argument(
            metavar="TRACE",
            help="Who submits what, when: a CSV or JSON lines file (submitted, owner,"
            " run_time, cpu_cores, ram_gb, …), a file of the Standard Workload Format"
            " (name.swf), or synthetic:owners=3,tasks=1000,seed=1.",
        ),
    ],
    *,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Draw who used how much, when."),
    ] = None,
    json: Json = False,
) -> None:
    """Try a quota: run the scheduler's policy over a trace, on a simulated clock.

    Prints how long tasks wait and what each owner gets. No server is needed, and
    nothing runs. The capacity is one pool: nodes and taskmasters are not simulated.
    """
    dependencies: Dependencies = context.obj
    tried, found = dependencies.simulation(quota, trace)
    report = make_report(simulate_trace(tried, found.jobs), tried)
    if plot is not None:
        _write(plot, draw_svg(report))
    if json:
        print_json(_report_json(report, found))
    else:
        _print_report(report, found)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise InvalidRequestError([Violation(f"--plot {path}", problem)]) from error


def _print_report(report: Report, trace: Trace) -> None:
    top = report.capacity or max(report.total.timeline)
    table = Table(box=None, pad_edge=False)
    for title in ("OWNER", "TASKS", "STARTED", "MEAN", "P50", "P95", "MAX", "SHARE"):
        right = title != "OWNER"
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    table.add_column("OF ALL", justify="right", no_wrap=True)
    table.add_column(f"{report.dominant.noun.upper()} OVER TIME", no_wrap=True)
    rows = [*report.owners[:_MOST_ROWS], report.total]
    for each in rows:
        name = "all" if each is report.total else escape_line(each.owner)
        table.add_row(name, *_cells(each), draw_blocks(each.timeline, top))
    target = Console(markup=False, highlight=False)
    if not target.is_terminal:
        target.width = 10_000  # a pipe has no margin
    target.print(table)
    for line in _notes(report, trace):
        print_line(line)


def _cells(owner: OwnerReport) -> list[str]:
    waits = owner.waits
    started = owner.tasks - owner.refused - owner.never_started
    times = (
        ["-"] * 4
        if waits is None
        else [
            _duration(each) for each in (waits.mean, waits.p50, waits.p95, waits.most)
        ]
    )
    part = "-" if owner.utilisation is None else f"{owner.utilisation:.1%}"
    return [str(owner.tasks), str(started), *times, f"{owner.share:.1%}", part]


def _notes(report: Report, trace: Trace) -> list[str]:
    parts = (f"{name} {part:.1%}" for name, part in report.utilisation.items())
    notes = [
        (
            f"waits from submission to start; shares of {report.dominant.noun};"
            f" {_duration(report.span)} from the first submission to the last end"
        ),
        f"utilisation: {', '.join(parts) or 'without a capacity'}",
    ]
    hidden = len(report.owners) - _MOST_ROWS
    if hidden > 0:
        notes.append(f"{hidden} more owners: --json lists all")
    if trace.left_out:
        notes.append(
            f"{trace.left_out} entries of the trace never ran and are left out"
        )
    if report.total.never_started:
        notes.append(f"{report.total.never_started} tasks could never start")
    notes += [f"{count} tasks refused: {text}" for text, count in report.refusals]
    return notes


def _duration(seconds: float) -> str:
    """Format seconds in the unit that people would use."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.0f}s"


def _report_json(report: Report, trace: Trace) -> dict[str, Any]:
    return {
        "span_seconds": round(report.span, 3),
        "dominant_resource": report.dominant.setting,
        "utilisation": {
            name: round(part, 6) for name, part in report.utilisation.items()
        },
        "left_out": trace.left_out,
        "refusals": [
            {"reason": text, "tasks": count} for text, count in report.refusals
        ],
        "total": _owner_json(report.total),
        "owners": [_owner_json(each) for each in report.owners],
    }


def _owner_json(owner: OwnerReport) -> dict[str, Any]:
    waits = owner.waits
    return {
        "owner": owner.owner,
        "tasks": owner.tasks,
        "refused": owner.refused,
        "never_started": owner.never_started,
        "wait_seconds": None
        if waits is None
        else {
            "mean": round(waits.mean, 3),
            "p50": round(waits.p50, 3),
            "p95": round(waits.p95, 3),
            "max": round(waits.most, 3),
        },
        "share": round(owner.share, 6),
        "utilisation": None
        if owner.utilisation is None
        else round(owner.utilisation, 6),
    }
