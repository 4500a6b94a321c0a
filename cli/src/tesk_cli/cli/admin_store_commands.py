"""``tesk admin taskmasters``, ``verify`` and ``retention``."""

from typing import Annotated

import typer

from tesk_cli.cli.admin_options import (
    DryRun,
    Json,
    Operator,
    TlsName,
    connect_admin,
)
from tesk_cli.cli.admin_results import print_findings, print_result, print_taskmasters
from tesk_cli.cli.results import print_json, print_line
from tesk_cli.cli.session import console, report
from tesk_cli.domain.exits import ExitCode

taskmasters_app = typer.Typer(no_args_is_help=True, help="See and drain taskmasters.")
retention_app = typer.Typer(no_args_is_help=True, help="Delete old finished tasks.")


@taskmasters_app.command("list")
def list_taskmasters(
    context: typer.Context,
    *,
    operator: Operator = "",
    tls_name: TlsName = "",
    json: Json = False,
) -> None:
    """List the taskmasters that the database or the cluster knows."""
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("ListTaskmasters")
    if json:
        print_json(found)
    else:
        print_taskmasters(found["taskmasters"])
    if found["problem"]:
        report(console(), f"which of them are alive is not known: {found['problem']}")


@taskmasters_app.command("drain")
def drain_taskmaster(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a taskmaster.")],
    *,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give a taskmaster no more tasks; it exits when it has none."""
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("DrainTaskmaster", taskmaster_id=name, dry_run=dry_run)
    assigned = found["taskmaster"]["assigned"]
    verb = "would drain" if dry_run else "drains"
    print_result(found, f"{name} {verb}; it has {assigned} attempts", json=json)


def verify(
    context: typer.Context,
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what can be repaired.")
    ] = False,
    cluster: Annotated[
        bool,
        typer.Option(
            help="Also look at taskmasters, and objects of tasks in a cluster."
        ),
    ] = True,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Find what counters, tasks, taskmasters and cluster disagree about.

    Exit code 1 if something is left that is wrong.
    """
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("Verify", fix=fix and not dry_run, cluster=cluster)
    findings = found["findings"]
    if json:
        print_json(found)
    elif findings:
        print_findings(findings)
    else:
        print_line("all agree")
    if found["more"]:
        report(console(), f"{found['more']} more were found")
    if any(not each["fixed"] for each in findings):
        raise typer.Exit(ExitCode.TASK_FAILED)


@retention_app.command("run")
def run_retention(
    context: typer.Context,
    *,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Delete at once all finished tasks whose retention time is over."""
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("RunRetention", dry_run=dry_run)
        deleted = found["tasks"]
        while found["has_more"]:
            found = server.call("RunRetention")
            deleted += found["tasks"]
    verb = "would be deleted" if dry_run else "deleted"
    print_result({"tasks": deleted}, f"{deleted} tasks {verb}", json=json)
