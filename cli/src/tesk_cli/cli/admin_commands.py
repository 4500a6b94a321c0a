"""``tesk admin …``: operators' switches."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from tesk_cli.cli.admin_archive_commands import export, import_
from tesk_cli.cli.admin_options import (
    DryRun,
    Group,
    Json,
    Namespace,
    Operator,
    TlsName,
    User,
    connect_admin,
    subject,
)
from tesk_cli.cli.admin_quota_commands import priority_app, quota_app
from tesk_cli.cli.admin_results import (
    format_subject,
    print_result,
    print_status,
)
from tesk_cli.cli.admin_simulate_command import simulate
from tesk_cli.cli.admin_store_commands import retention_app, taskmasters_app, verify
from tesk_cli.cli.admin_task_commands import cancel, requeue
from tesk_cli.cli.admin_webhook_commands import webhooks_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.cli.results import print_json
from tesk_cli.cli.session import console, report
from tesk_cli.domain.exits import ExitCode
from tesk_cli.ports.admin import AdminServer
from tesk_model.errors import UnavailableError

admin_app = typer.Typer(
    no_args_is_help=True,
    help="Switches of a scheduler, for its operators. They call the scheduler itself,"
    " with the internal token: on this machine that of the server that runs here, else"
    " TESK_GRPC_SCHEDULER, TESK_GRPC_TOKEN_FILE and TESK_GRPC_TLS_CA.",
)

admin_app.command()(requeue)
admin_app.command()(cancel)
admin_app.add_typer(taskmasters_app, name="taskmasters")
admin_app.command()(verify)
admin_app.command()(export)
admin_app.command("import")(import_)
admin_app.add_typer(retention_app, name="retention")
admin_app.add_typer(quota_app, name="quota")
admin_app.add_typer(priority_app, name="priority")
admin_app.add_typer(webhooks_app, name="webhooks")
admin_app.command()(simulate)

_DRAIN_REASON = "the service is drained for maintenance"
_LOOK_EVERY = timedelta(seconds=1)

All = Annotated[bool, typer.Option("--all", help="All tasks.")]


@admin_app.command()
def status(
    context: typer.Context,
    *,
    operator: Operator = "",
    tls_name: TlsName = "",
    json: Json = False,
) -> None:
    """Print what runs, what is held and who leads."""
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("GetStatus")
    if json:
        print_json(found)
    else:
        print_status(found)


@admin_app.command()
def hold(
    context: typer.Context,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; users see it with their tasks.")
    ],
    everything: All = False,
    user: User = "",
    group: Group = "",
    namespace: Namespace = "",
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Admit no more tasks of everybody, a user, a group or a namespace.

    Tasks may still be created, and wait; what runs goes on.
    """
    whom = subject(everything=everything, user=user, group=group, namespace=namespace)
    with connect_admin(context, operator, tls_name) as server:
        held = server.call("PutHold", subject=whom, reason=reason, dry_run=dry_run)
    verb = "would be held" if dry_run else "is held"
    line = f"{format_subject(held['hold']['subject'])}: {verb}"
    before = held.get("replaced")
    if before:
        line += f"; before by {before['operator']}: {before['reason']}"
    print_result(held, line, json=json)


@admin_app.command()
def release(
    context: typer.Context,
    *,
    everything: All = False,
    user: User = "",
    group: Group = "",
    namespace: Namespace = "",
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """End a hold; its tasks are admitted again. Other holds stay."""
    whom = subject(everything=everything, user=user, group=group, namespace=namespace)
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("RemoveHold", subject=whom, dry_run=dry_run)
    removed = found["removed"]
    verb = "would be released" if dry_run else "is released"
    line = (
        f"{format_subject(removed['subject'])}: {verb};"
        f" was held by {removed['operator']}: {removed['reason']}"
    )
    print_result(found, line, json=json)


@admin_app.command()
def drain(
    context: typer.Context,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; users see it with their tasks.")
    ] = _DRAIN_REASON,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Give up waiting then."),
    ] = None,
    operator: Operator = "",
    tls_name: TlsName = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Hold everything, and wait until nothing runs: before an upgrade or an export.

    The hold stays, also if this is interrupted: `tesk admin release --all` ends it.
    """
    dependencies: Dependencies = context.obj
    with connect_admin(context, operator, tls_name) as server:
        found = server.call("GetStatus")
        if dry_run:
            line = (
                f"would hold all tasks and wait for {found['running']} running tasks"
                f" and {found['unreleased']} attempts"
            )
            print_result(found, line, json=json)
            return
        if not any(_is_all(each["subject"]) for each in found["holds"]):
            server.call("PutHold", subject={"kind": "SUBJECT_KIND_ALL"}, reason=reason)
        found = _wait(server, dependencies, timeout)
    if _is_busy(found):
        report(console(), "all tasks are held, but some still run")
        raise typer.Exit(ExitCode.TIMED_OUT)
    line = "nothing runs; `tesk admin release --all` lets tasks run again"
    print_result(found, line, json=json)


def _wait(
    server: AdminServer, dependencies: Dependencies, timeout: float | None
) -> dict[str, Any]:
    """Wait until nothing runs, or for ``timeout``; return the last status."""
    clock = dependencies.clock
    deadline = None
    if timeout is not None:
        deadline = clock.monotonic() + timedelta(seconds=timeout)
    shown = None
    while True:
        try:
            found = server.call("GetStatus")
        except UnavailableError as error:  # it may be restarted meanwhile
            if deadline is not None and clock.monotonic() >= deadline:
                raise
            line = f"no answer, trying again: {error.message}"
        else:
            if not _is_busy(found):
                return found
            if deadline is not None and clock.monotonic() >= deadline:
                return found
            line = (
                f"waiting for {found['running']} running tasks,"
                f" {found['unreleased']} attempts"
            )
        if line != shown:
            report(console(), line)
        shown = line
        clock.sleep(_LOOK_EVERY)


def _is_busy(found: dict[str, Any]) -> bool:
    return bool(found["running"] or found["unreleased"])


def _is_all(whom: dict[str, Any]) -> bool:
    return bool(whom["kind"] == "SUBJECT_KIND_ALL")
