"""``tesk admin webhooks``: events that were not accepted."""

from typing import Annotated, Any

import typer

from tesk_cli.cli.admin_options import (
    DryRun,
    Json,
    Operator,
    TlsName,
    connect_admin,
)
from tesk_cli.cli.admin_results import format_time, print_result, print_table
from tesk_cli.cli.results import print_json, print_line

webhooks_app = typer.Typer(
    no_args_is_help=True,
    help="See dead letters of webhooks: events that are not sent any more.",
)

Numbers = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="[NUMBER]...", help="Of dead letters, as `list` shows them."
    ),
]
Target = Annotated[
    str, typer.Option(metavar="NAME", help="Those for this receiver alone.")
]
All = Annotated[bool, typer.Option("--all", help="All dead letters.")]


@webhooks_app.command("list")
def list_letters(
    context: typer.Context,
    *,
    target: Target = "",
    operator: Operator = "",
    tls_name: TlsName = "",
    json: Json = False,
) -> None:
    """List dead letters, and count what waits to be sent."""
    wanted = {"target": target}
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("ListDeadLetters", filter=wanted)
        letters = list(found["letters"])
        while found["next_cursor"]:
            found = server.call(
                "ListDeadLetters", filter=wanted, cursor=found["next_cursor"]
            )
            letters += found["letters"]
    if json:
        print_json({**found, "letters": letters, "next_cursor": ""})
        return
    _print_pending(found)
    if letters:
        _print_letters(letters)
    else:
        print_line("no dead letters")


@webhooks_app.command("retry")
def retry_letters(
    context: typer.Context,
    numbers: Numbers = None,
    *,
    target: Target = "",
    everything: All = False,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Send dead letters again, as if they were new."""
    wanted = _wanted(numbers, target, everything=everything, dry_run=dry_run)
    with connect_admin(context, operator, tls_name) as server:
        done = _repeat(server.call, "RetryDeadLetters", wanted)
    verb = "would be sent again" if dry_run else "are sent again"
    print_result({"letters": done}, f"{done} dead letters {verb}", json=json)


@webhooks_app.command("drop")
def drop_letters(
    context: typer.Context,
    numbers: Numbers = None,
    *,
    target: Target = "",
    everything: All = False,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Delete dead letters."""
    wanted = _wanted(numbers, target, everything=everything, dry_run=dry_run)
    with connect_admin(context, operator, tls_name) as server:
        done = _repeat(server.call, "DropDeadLetters", wanted)
    verb = "would be deleted" if dry_run else "deleted"
    print_result({"letters": done}, f"{done} dead letters {verb}", json=json)


def _wanted(
    numbers: list[int] | None, target: str, *, everything: bool, dry_run: bool
) -> dict[str, Any]:
    return {
        "filter": {"numbers": numbers or [], "target": target},
        "all": everything,
        "dry_run": dry_run,
    }


def _repeat(call: Any, method: str, wanted: dict[str, Any]) -> int:
    found = call(method, **wanted)
    done = int(found["letters"])
    while found["has_more"]:
        found = call(method, **wanted)
        done += int(found["letters"])
    return done


def _print_pending(found: dict[str, Any]) -> None:
    pending = found["pending"]
    if not pending:
        print_line("nothing waits to be sent")
        return
    oldest = format_time(found.get("oldest_pending"))
    listed = ", ".join(f"{name}: {pending[name]}" for name in sorted(pending))
    print_line(f"waiting to be sent: {listed}; the first since {oldest} (UTC)")


def _print_letters(letters: list[dict[str, Any]]) -> None:
    print_table(
        ("NUMBER", "TARGET", "SERVER", "TASK", "TRIES", "SINCE (UTC)", "CAUSE"),
        (
            (
                each["number"],
                each["target"],
                each["server"],
                each["task_id"],
                each["tries"],
                format_time(each.get("dead")),
                each["error"],
            )
            for each in letters
        ),
    )
