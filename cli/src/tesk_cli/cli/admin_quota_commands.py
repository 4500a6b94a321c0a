"""``tesk admin quota`` and ``priority``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tesk_cli.cli.admin_options import (
    DryRun,
    Json,
    Operator,
    TlsName,
    connect_admin,
)
from tesk_cli.cli.admin_results import format_subject, print_table
from tesk_cli.cli.admin_task_commands import print_results, set_in_batches
from tesk_cli.cli.results import print_json, print_line
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.quantities import format_number

quota_app = typer.Typer(no_args_is_help=True, help="See limits and usage; try a file.")
priority_app = typer.Typer(no_args_is_help=True, help="Reorder queued tasks.")

_LARGEST = 2**20


@quota_app.command()
def show(
    context: typer.Context,
    *,
    operator: Operator = "",
    tls_name: TlsName = "",
    json: Json = False,
) -> None:
    """Print usage and limits of all subjects that use something or are named."""
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("GetQuota")
        subjects = list(found["subjects"])
        while found["next_cursor"]:
            found = server.call("GetQuota", cursor=found["next_cursor"])
            subjects += found["subjects"]
    if json:
        print_json({**found, "subjects": subjects, "next_cursor": ""})
        return
    titles = ("SUBJECT", "SHARE", "OF LATE", "WEIGHT", "USED OF LIMIT")
    print_table(titles, map(_row, subjects))
    for title in ("per_task", "capacity"):
        if found[title]:
            amounts = ", ".join(
                f"{name} {format_number(value)}"
                for name, value in sorted(found[title].items())
            )
            print_line(f"{title}: {amounts}")


@quota_app.command()
def check(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="As of the setting quota.file.")
    ],
    *,
    operator: Operator = "",
    tls_name: TlsName = "",
    json: Json = False,
) -> None:
    """Check a quota as the scheduler would, and print how it differs from the present.

    Nothing changes. Exit code 2 if it would be refused.
    """
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("CheckQuota", text=_read(file))
    if json:
        print_json(found)
    elif not found["problems"]:
        _print_comparison(found)
    if found["problems"]:
        raise InvalidRequestError(
            [Violation(str(file), problem) for problem in found["problems"]]
        )


# A number below 0 is no option.
@priority_app.command("set", context_settings={"ignore_unknown_options": True})
def set_priority(
    context: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")],
    value: Annotated[
        int, typer.Argument(metavar="VALUE", help="Higher ones come first.")
    ],
    *,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give a queued task another priority, whatever their owner may ask for.

    It orders tasks of one owner alone.
    """
    with connect_admin(context, operator, tls_name) as server:
        results = set_in_batches(
            server, "SetPriority", [task_id], priority=value, dry_run=dry_run
        )
    verb = "would have" if dry_run else "has"
    print_results(results, f"{verb} priority {value}", json=json)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    used, limit, guaranteed = each["used"], each["limit"], each["guaranteed"]
    amounts = [
        f"{name} {format_number(used.get(name, 0))}"
        + (f"/{format_number(limit[name])}" if name in limit else "")
        + (
            f" ({format_number(guaranteed[name])} guaranteed)"
            if name in guaranteed
            else ""
        )
        for name in sorted({*used, *limit, *guaranteed})
    ]
    return (
        format_subject(each["subject"]),
        _percent(each.get("share")),
        _percent(each.get("past_share")),
        format_number(each["weight"]),
        ", ".join(amounts) or "nothing",
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _print_comparison(found: dict[str, Any]) -> None:
    for change in found["changes"]:
        print_line(f"{change['path']}: {change['before']} → {change['after']}")
    for warning in found["warnings"]:
        print_line(f"warning: {warning}")
    if not found["changes"]:
        print_line("valid, and the same as the one in force")


def _read(file: Path) -> str:
    try:
        with file.open("rb") as source:
            data = source.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise InvalidRequestError(
                [Violation(str(file), f"must be at most {_LARGEST:,} bytes")]
            )
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError([Violation(str(file), str(error))]) from error
