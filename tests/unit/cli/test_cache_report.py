"""Why a task was not cached, as a user reads it."""

import json
from typing import Any

import pytest

from builders.tasks import make_task_json
from clients.terminal import Terminal
from fakes.task_server import FakeTaskServer

HIT = {
    "result": "HIT",
    "explanation": "the results are those of task t0",
    "reusable": False,
}
DIFFERENT = {
    "result": "NO_CANDIDATE",
    "explanation": "the nearest earlier task, t0, differs in 3 fields",
    "candidate": "t0",
    "differences": [
        {
            "field": "inputs[/in]",
            "value": "FILE s3://b/2",
            "candidate_value": "FILE s3://b/1",
        },
        {"field": "volumes[/v]", "value": "volume"},
    ],
    "more_differences": 1,
    "reusable": True,
}
REPORTS = {
    "a hit": (HIT, ["HIT: the results are those of task t0"]),
    "differences": (
        DIFFERENT,
        [
            "NO_CANDIDATE: the nearest earlier task, t0, differs in 3 fields",
            "  inputs[/in]: FILE s3://b/2",
            "    there: FILE s3://b/1",
            "  volumes[/v]: volume",
            "    there: (nothing)",
            "  and 1 more",
            "its own results can be reused",
        ],
    ),
    "hostile values": (
        {
            "result": "DIFFERENT",
            "explanation": "input /\x1b[2J changed",
            "not_reusable": "a\nb",
        },
        [
            r"DIFFERENT: input /\x1b[2J changed",
            r"its own results cannot be reused: a\nb",
        ],
    ),
}


@pytest.mark.parametrize(("report", "want"), REPORTS.values(), ids=REPORTS)
def test_it_is_told_line_by_line(report: dict[str, Any], want: list[str]) -> None:
    server = FakeTaskServer()
    task_id = server.create_task(json.dumps(make_task_json()).encode())
    server.cache_reports[task_id] = report

    text = Terminal(server).run("task", "why-not-cached", task_id)
    as_json = Terminal(server).run("task", "why-not-cached", task_id, "-o", "json")

    assert text.stdout.splitlines() == want
    assert json.loads(as_json.stdout) == report
