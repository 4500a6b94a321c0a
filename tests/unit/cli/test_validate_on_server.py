"""``tesk validate`` asked of a server."""

import json
from typing import Any

import pytest

from builders.tasks import make_task_json
from clients.terminal import Terminal
from fakes.task_server import FakeTaskServer

BODY = json.dumps(make_task_json()).encode()
CHECK: dict[str, Any] = {
    "accepted": True,
    "would_run": False,
    "findings": [
        {
            "path": "inputs[0].url",
            "severity": "error",
            "message": "does not exist",
            "cure": "correct the url",
        }
    ],
    "storage": {"checked": True},
    "inputs": [
        {
            "field": "inputs[0]",
            "path": "/in",
            "url": "s3://b/\x1b[31mred",
            "verdict": "failed",
            "message": "does not exist",
        }
    ],
    "placement": {
        "runtime": "cluster",
        "namespaces": ["a", "b"],
        "nodes": 3,
        "fitting_nodes": 1,
    },
    "limits": [
        {"scope": "user", "subject": "al", "dimension": "cpu", "limit": 8, "needed": 1}
    ],
    "wait": {"position": 3, "place": 7},
}


def terminal(**changes: Any) -> Terminal:
    server = FakeTaskServer()
    server.check = CHECK | changes
    return Terminal(server)


def test_a_task_that_would_not_run_ends_with_1_and_what_would_help() -> None:
    result = terminal().run("validate", "-", "--dry-run", stdin=BODY)

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "it would not run"
    assert "  error: inputs[0].url: does not exist (correct the url)" in lines
    assert "namespace a or b; 1 of 3 nodes are large enough" in result.stdout
    assert "position in the queue of its owner: 3" in result.stdout
    assert "about: 7" in result.stdout
    assert "\x1b" not in result.stdout


def test_limits_are_numbers_that_people_read() -> None:
    memory = {"dimension": "ram_gb", "needed": 2.0, "limit": 23.540576934814453}

    result = terminal(limits=[memory]).run("validate", "-", "--dry-run", stdin=BODY)

    assert result.stdout.splitlines()[-1].split() == ["ram_gb", "2", "23.541"]


def test_a_task_that_could_run_ends_with_0() -> None:
    result = terminal(would_run=True, findings=[], starts_at_once=True).run(
        "validate", "-", "--dry-run", stdin=BODY
    )

    assert result.exit_code == 0
    assert result.stdout.startswith("the task could run")
    assert "it would start at once" in result.stdout


def test_json_is_what_the_server_sent() -> None:
    result = terminal().run("validate", "-", "--dry-run", "-o", "json", stdin=BODY)

    assert result.exit_code == 1
    assert json.loads(result.stdout) == CHECK


@pytest.mark.parametrize("options", [["--server", "http://x"], ["-s", "http://x"]])
def test_a_server_that_is_named_is_asked(options: list[str]) -> None:
    asked = terminal()

    asked.run("validate", "-", *options, stdin=BODY)

    assert asked.urls == ["http://x"]


def test_without_options_no_server_is_asked() -> None:
    quiet = terminal()

    result = quiet.run("validate", "-", stdin=BODY)

    assert result.stdout == "valid\n"
    assert quiet.urls == []


def test_a_server_other_than_tesk_checks_nothing() -> None:
    result = Terminal(FakeTaskServer()).run("validate", "-", "--dry-run", stdin=BODY)

    assert result.exit_code != 0
    assert "checks no tasks" in str(result.exception)
