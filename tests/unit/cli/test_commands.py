"""The commands as a user types them, on a server in memory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.tasks import make_task_json
from clients.terminal import Terminal
from fakes.task_server import FakeTaskServer
from tesk_cli.adapters.tes_json import snapshot_from_live
from tesk_cli.domain.snapshot import Snapshot
from tesk_model.errors import InvalidRequestError, NotFoundError
from tesk_model.task import TaskView

COMPLETE: dict[str, Any] = {
    "state": "COMPLETE",
    "logs": [
        {
            "logs": [{"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}],
            "outputs": [{"url": "/o", "path": "/p", "size_bytes": "3"}],
        }
    ],
}
FAILED: dict[str, Any] = {
    "state": "EXECUTOR_ERROR",
    "logs": [{"logs": [{"exit_code": 9}], "outputs": [], "system_logs": ["why"]}],
}


def task_bytes(**overrides: Any) -> bytes:
    return json.dumps(make_task_json(**overrides)).encode()


def test_run_shows_the_result_and_ends_well() -> None:
    result = Terminal(FakeTaskServer(COMPLETE)).run("run", "-", stdin=task_bytes())

    assert result.exit_code == 0
    assert "t1: COMPLETE" in result.stdout
    assert "output: /o (3 bytes)" in result.stdout
    assert "executor 0: started" in result.stderr


def test_run_ends_with_the_code_of_the_executor() -> None:
    result = Terminal(FakeTaskServer(FAILED)).run("run", "-", stdin=task_bytes())

    assert result.exit_code == 9
    assert "note: why" in result.stdout


def test_run_can_print_the_task_as_json() -> None:
    terminal = Terminal(FakeTaskServer(COMPLETE))

    result = terminal.run("run", "-", "-o", "json", stdin=task_bytes())

    assert json.loads(result.stdout)["state"] == "COMPLETE"


SERVERS = {
    "the one that is named": (["--server", "http://named"], "http://l", "http://named"),
    "else the one of this machine": ([], "http://l", "http://l"),
    "else one of its own": ([], None, "http://own.test"),
}


@pytest.mark.parametrize(
    ("arguments", "local", "want"), SERVERS.values(), ids=list(SERVERS)
)
def test_run_finds_a_server(arguments: list[str], local: str | None, want: str) -> None:
    terminal = Terminal(FakeTaskServer(COMPLETE), local)

    result = terminal.run("run", "-", *arguments, stdin=task_bytes())

    assert result.exit_code == 0
    assert terminal.urls == [want]


def test_run_starts_no_server_for_a_wrong_task() -> None:
    terminal = Terminal(FakeTaskServer(), local=None)

    result = terminal.run("run", "-", stdin=b"{}")

    assert isinstance(result.exception, InvalidRequestError)
    assert terminal.urls == []


def test_task_commands_need_a_running_server() -> None:
    result = Terminal(FakeTaskServer(), local=None).run("task", "list")

    assert isinstance(result.exception, InvalidRequestError)
    assert "tesk serve" in str(result.exception)


def test_create_fills_in_folders_and_prints_the_id(tmp_path: Path) -> None:
    server = FakeTaskServer()
    file = tmp_path / "task.json"
    file.write_bytes(task_bytes(inputs=[{"url": "${TASK_DIR}/a", "path": "/a"}]))

    result = Terminal(server).run("task", "create", str(file))

    assert result.stdout == "t1\n"
    assert server.tasks["t1"]["inputs"][0]["url"] == f"{tmp_path}/a"


def test_a_missing_task_file_is_reported() -> None:
    result = Terminal(FakeTaskServer()).run("task", "create", "/none.json")

    assert isinstance(result.exception, NotFoundError)


def test_tasks_are_printed_listed_and_canceled() -> None:
    server = FakeTaskServer()
    terminal = Terminal(server)
    server.create_task(task_bytes(name="n", tags={"k": "v"}))
    server.create_task(task_bytes())

    listed = terminal.run("task", "list", "--tag", "k=v", "-o", "json")
    table = terminal.run("task", "list")
    got = terminal.run("task", "get", "t1", "--view", "MINIMAL")
    canceled = terminal.run("task", "cancel", "t1", "t2")

    assert [task["id"] for task in json.loads(listed.stdout)] == ["t1"]
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["ID", "t2", "t1"]
    assert json.loads(got.stdout) == {"id": "t1", "state": "QUEUED"}
    assert canceled.exit_code == 0
    assert {task["state"] for task in server.tasks.values()} == {"CANCELED"}


def test_tasks_that_match_are_canceled_if_that_is_confirmed() -> None:
    server = FakeTaskServer()
    terminal = Terminal(server)
    for name in ("a1", "a2", "b"):
        server.create_task(task_bytes(name=name))

    refused = terminal.run("task", "cancel", "--name-prefix", "a", stdin=b"n\n")
    assert refused.exit_code == 1
    assert "2 tasks match" in refused.stderr
    assert {task["state"] for task in server.tasks.values()} == {"QUEUED"}

    agreed = terminal.run("task", "cancel", "--name-prefix", "a", "--yes")
    assert (agreed.exit_code, agreed.stdout) == (0, "2 tasks canceled\n")
    assert [task["state"] for task in server.tasks.values()][-1] == "QUEUED"


@pytest.mark.parametrize("arguments", [(), ("t1", "--all")])
def test_a_cancel_names_tasks_or_conditions(arguments: tuple[str, ...]) -> None:
    result = Terminal(FakeTaskServer()).run("task", "cancel", *arguments)
    assert isinstance(result.exception, InvalidRequestError)


def test_the_record_of_a_task_is_printed() -> None:
    server = FakeTaskServer()
    server.create_task(task_bytes())
    result = Terminal(server).run("task", "report", "t1", "--format", "ro-crate")
    assert result.stdout == "ro-crate of t1\n"


class ReportingServer(FakeTaskServer):
    def report_task(self, task_id: str, kind: str) -> str:  # noqa: ARG002 - the port's
        if kind == "text":
            return "align\x1b[2J\nCOMPLETE\n\nexecutor 0: true\n"
        return '{\n  "name": "align\x9b2J"\n}\n'


def test_the_record_of_a_task_keeps_its_lines() -> None:
    terminal = Terminal(ReportingServer())
    text = terminal.run("task", "report", "t1").stdout
    assert text.splitlines() == ["align\\x1b[2J", "COMPLETE", "", "executor 0: true"]

    document = terminal.run("task", "report", "t1", "--format", "json").stdout
    assert json.loads(document) == {"name": "align\x9b2J"}
    assert "\x9b" not in document


class WaitingServer(FakeTaskServer):
    def watch_task(self, task_id: str) -> Snapshot:
        task = super().watch_task(task_id)
        return replace(task, reason="4 cpu needed", reason_code="CAPACITY_FULL")


def test_get_reports_on_stderr_why_a_task_waits() -> None:
    server = WaitingServer()
    server.create_task(task_bytes())

    text = Terminal(server).run("task", "get", "t1")
    short = Terminal(server).run("task", "get", "t1", "--view", "MINIMAL")

    assert json.loads(text.stdout)["state"] == "QUEUED"
    assert text.stderr == "t1: 4 cpu needed (CAPACITY_FULL)\n"
    assert short.stderr == ""


WAIT = {
    "remedy": "starts when 1 task of alice has ended",
    "since": "2026-11-26T14:05:11Z",
    "position": 2,
    "place": 9,
    "head": {"id": "t0", "reason": "alice: 3 of 3 tasks running"},
    "nodes": [{"cause": "Insufficient cpu", "nodes": 1}],
    "spent": [{"reason_code": "QUOTA_FULL", "seconds": 95, "reason": "alice: full"}],
}
REASON = {"reason": "behind", "reason_code": "ADMISSION_PENDING", "wait": WAIT}


class ExplainingServer(FakeTaskServer):
    def watch_task(self, task_id: str) -> Snapshot:
        found = self.get_task(task_id, TaskView.FULL) | self.get_extensions(task_id)
        return snapshot_from_live(found)


def test_get_reports_what_must_happen_before_a_task_starts() -> None:
    server = ExplainingServer()
    server.reasons[server.create_task(task_bytes())] = REASON

    text = Terminal(server).run("task", "get", "t1")
    as_json = Terminal(server).run("task", "get", "t1", "-o", "json")

    assert text.stderr.splitlines() == [
        "t1: behind (ADMISSION_PENDING)",
        "  it starts when 1 task of alice has ended",
        (
            "  it is number 2 of its owner's queued tasks, and about number 9 of all:"
            " an estimate"
        ),
        "  the first of them is t0: alice: 3 of 3 tasks running",
        "  1 node: Insufficient cpu",
        "  it has waited for this since 2026-11-26 14:05:11 UTC",
        "  queued for 1 min 35 s so far: 1 min 35 s (alice: full)",
    ]
    assert json.loads(as_json.stdout)["wait"] == WAIT


def test_the_list_has_a_column_for_what_tasks_wait_for() -> None:
    server = ExplainingServer()
    server.create_task(task_bytes())
    plain = Terminal(server).run("task", "list")
    server.reasons["t1"] = REASON

    table = Terminal(server).run("task", "list")
    short = Terminal(server).run("task", "list", "--view", "MINIMAL")
    as_json = Terminal(server).run("task", "list", "-o", "json")

    assert "WAITS FOR" not in plain.stdout + short.stdout
    title, row = table.stdout.splitlines()
    assert title.split()[-2:] == ["WAITS", "FOR"]
    assert row.split()[-1] == "behind"
    assert json.loads(as_json.stdout)[0]["reason_code"] == "ADMISSION_PENDING"


def test_wait_tells_failure_from_success() -> None:
    good, bad = FakeTaskServer(COMPLETE), FakeTaskServer(FAILED)
    good.create_task(task_bytes())
    bad.create_task(task_bytes())

    assert Terminal(good).run("task", "wait", "t1").exit_code == 0
    assert Terminal(bad).run("task", "wait", "t1").exit_code == 1


def test_logs_go_where_the_task_sent_them() -> None:
    server = FakeTaskServer(COMPLETE)
    server.create_task(task_bytes())

    result = Terminal(server).run("task", "logs", "t1")

    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_logs_that_are_followed_are_printed_once() -> None:
    def running(stdout: str, **more: Any) -> dict[str, Any]:
        return {"logs": [{"logs": [{"stdout": stdout} | more]}]}

    server = FakeTaskServer(
        {"state": "RUNNING"} | running("a\n"),
        {"state": "RUNNING"} | running("a\nb\n"),
        {"state": "COMPLETE"} | running("a\nb\nc\n", exit_code=0),
    )
    server.create_task(task_bytes())

    result = Terminal(server).run("task", "logs", "--follow", "t1")

    assert result.stdout == "a\nb\nc\n"


def test_logs_of_an_executor_that_has_not_started_are_an_error() -> None:
    server = FakeTaskServer(COMPLETE)
    server.create_task(task_bytes())

    result = Terminal(server).run("task", "logs", "t1", "--executor", "5")

    assert isinstance(result.exception, InvalidRequestError)


def test_validate_names_every_problem_and_submits_nothing() -> None:
    terminal = Terminal(FakeTaskServer())
    wrong = json.dumps({"executors": [{"image": ""}], "volumes": ["x"]}).encode()

    result = terminal.run("validate", "-", stdin=wrong)

    assert result.exit_code == 2
    assert "executors[0].command: " in result.stdout
    assert "volumes[0]: " in result.stdout
    assert terminal.urls == []


def test_validate_warns_of_what_would_be_ignored() -> None:
    result = Terminal(FakeTaskServer()).run(
        "validate", "-", stdin=task_bytes(cpuCores=1)
    )

    assert result.exit_code == 0
    assert "warning: unknown fields ignored: cpuCores" in result.stdout


def test_every_shipped_example_is_listed_and_valid() -> None:
    terminal = Terminal(FakeTaskServer())

    listed = terminal.run("examples", "-o", "json")

    names = json.loads(listed.stdout)
    assert len(names) >= 11
    for name in names:
        path = terminal.run("examples", name, "--path").stdout.strip()
        assert terminal.run("validate", path).stdout == "valid\n"


def test_help_shows_the_exit_codes() -> None:
    result = Terminal(FakeTaskServer()).run("--help")

    assert "Exit codes" in result.stdout
    assert "130" in result.stdout
