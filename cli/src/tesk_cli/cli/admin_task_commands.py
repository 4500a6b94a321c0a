"""``tesk admin requeue`` and ``cancel``: tasks of any owner."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from tesk_cli.cli.admin_options import (
    DryRun,
    Json,
    Operator,
    TlsName,
    connect_admin,
)
from tesk_cli.cli.admin_results import print_result, print_task_results
from tesk_cli.cli.options import NamePrefix, Tags, TaskIds, Yes, tags_of
from tesk_cli.cli.results import print_json, print_line
from tesk_cli.cli.session import console, report
from tesk_cli.domain.exits import ExitCode
from tesk_cli.ports.admin import AdminServer
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.states import TaskState

_AT_ONCE = 200
_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def requeue(
    context: typer.Context,
    ids: TaskIds,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; a line in the task's log says so.")
    ] = "it did not go on",
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """End the attempts of tasks that hang, and queue others.

    The next attempt begins when what runs has been removed.
    """
    with connect_admin(context, operator, tls_name) as server:
        results = set_in_batches(
            server, "RequeueTasks", ids, reason=reason, dry_run=dry_run
        )
    print_results(results, "would be requeued" if dry_run else "requeued", json=json)


def cancel(
    context: typer.Context,
    *,
    owner: Annotated[
        str | None, typer.Option(metavar="USER", help="Only tasks of this user.")
    ] = None,
    state: Annotated[
        TaskState | None, typer.Option(help="QUEUED, INITIALIZING or RUNNING.")
    ] = None,
    tag: Tags = None,
    name_prefix: NamePrefix = "",
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Created before: 90s, 15m, 12h, 7d.")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="All tasks that have not ended.")
    ] = False,
    yes: Yes = False,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Cancel all tasks that match; counts them first, and asks."""
    wanted: dict[str, Any] = {"tags": tags_of(tag), "name_prefix": name_prefix}
    if owner is not None:
        wanted["owner"] = owner
    if state is not None:
        wanted["state"] = f"TASK_STATE_{state.value}"
    if older_than:
        wanted["created_before"] = _before(older_than)
    request = {"filter": wanted, "all": everything}
    with connect_admin(context, operator, tls_name) as server:
        counted = _cancel_all(server, request, dry_run=True)
        summary = ", ".join(f"{number} {name}" for name, number in counted.items())
        line = f"{sum(counted.values())} tasks match" + (summary and f": {summary}")
        if dry_run or not counted:
            print_result({"tasks": counted}, line, json=json)
            return
        report(console(), line)
        if not yes:
            typer.confirm("Cancel them?", abort=True, err=True)
        canceled = sum(_cancel_all(server, request, dry_run=False).values())
    print_result({"canceled": canceled}, f"{canceled} tasks canceled", json=json)


def _cancel_all(
    server: AdminServer, request: dict[str, Any], *, dry_run: bool
) -> dict[str, int]:
    """Go through all pages; return how many tasks there were by state."""
    counted: dict[str, int] = {}
    cursor = ""
    while True:
        page = server.call("CancelTasks", cursor=cursor, dry_run=dry_run, **request)
        for each in page["results"]:
            name = str(each["state"]).removeprefix("TASK_STATE_")
            counted[name] = counted.get(name, 0) + 1
        cursor = page["next_cursor"]
        if not cursor:
            return counted


def set_in_batches(
    server: AdminServer, method: str, ids: list[str], **fields: Any
) -> list[dict[str, Any]]:
    """Call a method for tasks, as many at once as it takes; return all results."""
    results: list[dict[str, Any]] = []
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        results += server.call(method, task_ids=some, **fields)["results"]
    return results


def print_results(results: list[dict[str, Any]], done: str, *, json: bool) -> None:
    """Print results; end with an exit code if something was not done."""
    if json:
        print_json(results)
    elif len(results) == 1 and not results[0]["problem"]:
        print_line(f"{results[0]['task_id']}: {done}")
    else:
        print_task_results(results, done)
    if any(each["problem"] for each in results):
        raise typer.Exit(ExitCode.TASK_FAILED)


def _before(age: str) -> str:
    found = _AGE.fullmatch(age)
    if found is None:
        problem = "must be a number with a unit, as 90s, 15m, 12h or 7d"
        raise InvalidRequestError([Violation("--older-than", problem)])
    span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    return (datetime.now(UTC) - span).isoformat().replace("+00:00", "Z")
