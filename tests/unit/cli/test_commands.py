"""The commands as a user types them, on a server in memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from builders.tasks import make_task_json
from fakes.task_server import FakeTaskServer
from tesk_cli.adapters.examples import example_path, list_examples
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.validation import parse_task, validate_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.domain.snapshot import Snapshot
from tesk_model.errors import InvalidRequestError, NotFoundError

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


class EmbeddedServer(SystemClock):
    url = "http://own.test"
    engine = "sandbox"


class Terminal:
    """Runs commands; records the urls of the servers that they call."""

    def __init__(self, server: FakeTaskServer, local: str | None = "http://l") -> None:
        self.urls: list[str] = []
        self._server = server
        self.dependencies = Dependencies(
            connect=self._connect,
            validate=validate_task,
            parse=parse_task,
            storage=lambda _folders: pytest.fail("opens no storage"),
            clock=SystemClock(),
            local_server=lambda: local,
            embedded=lambda _folders: self._embedded(),
            serve=lambda _verbose: None,
            examples=list_examples,
            example_path=example_path,
        )

    def _connect(self, url: str) -> FakeTaskServer:
        self.urls.append(url)
        return self._server

    @contextmanager
    def _embedded(self) -> Iterator[EmbeddedServer]:
        yield EmbeddedServer()

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(
            build_app(),
            list(arguments),
            obj=self.dependencies,
            input=stdin,
            env={"TERM": "dumb"},
        )


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
