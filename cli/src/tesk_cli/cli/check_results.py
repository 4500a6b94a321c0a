"""Prints what a server tells of a task that it has not created."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tesk_cli.cli.options import OutputFormat
from tesk_cli.cli.results import print_json, print_line
from tesk_model.quantities import format_number
from tesk_model.text import escape_line

_COLUMNS = {
    "FIELD": "field",
    "RESULT": "verdict",
    "TYPE": "type",
    "BYTES": "size_bytes",
    "URL": "url",
    "FOUND": "message",
}
_LIMIT_COLUMNS = {
    "LIMIT OF": "scope",
    "NAME": "subject",
    "WHAT": "dimension",
    "NEEDED": "needed",
    "IN USE": "used",
    "MOST": "limit",
}


def print_check(check: Mapping[str, Any], output: OutputFormat) -> None:
    """Print the answer of a server, as it sent it or for people."""
    if output is OutputFormat.JSON:
        print_json(dict(check))
        return
    print_line("the task could run" if check.get("would_run") else "it would not run")
    for finding in check.get("findings") or ():
        print_line(f"  {_format_finding(finding)}")
    for line in _place_lines(check):
        print_line(f"  {line}")
    _print_table([*_listed(check, "inputs"), *_listed(check, "outputs")], _COLUMNS)
    _print_table(_listed(check, "limits"), _LIMIT_COLUMNS)


def _format_finding(finding: Mapping[str, Any]) -> str:
    path = f"{finding['path']}: " if finding.get("path") else ""
    cure = f" ({finding['cure']})" if finding.get("cure") else ""
    return f"{finding.get('severity')}: {path}{finding.get('message')}{cure}"


def _place_lines(check: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the task would run, and where it would stand in the queue."""
    placement = check.get("placement") or {}
    if placement:
        where = f"it would run on the {placement.get('runtime')}"
        if names := placement.get("namespaces"):
            where += f", namespace {' or '.join(map(str, names))}"
        if "nodes" in placement:
            fitting, nodes = placement.get("fitting_nodes", 0), placement["nodes"]
            where += f"; {fitting} of {nodes} nodes are large enough"
        yield where
    if check.get("starts_at_once"):
        yield "it would start at once"
    wait = check.get("wait") or {}
    if "position" in wait:
        yield f"position in the queue of its owner: {wait['position']}"
    if "place" in wait:
        yield f"place in the whole queue, about: {wait['place']}"


def _listed(check: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return list(check.get(name) or ())


def _format_cell(value: object) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _print_table(rows: list[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for title in columns:
        table.add_column(title, overflow="fold", no_wrap=title != "FOUND")
    for row in rows:
        cells = (_format_cell(row.get(name, "")) for name in columns.values())
        table.add_row(*map(escape_line, cells))
    target = Console(markup=False, highlight=False)
    if not target.is_terminal:
        target.width = 10_000  # a pipe has no margin
    target.print(table)
