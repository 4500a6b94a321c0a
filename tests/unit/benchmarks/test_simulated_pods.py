"""Pods of simulated nodes live as a kubelet's do."""

import json
from typing import Any

import pytest

from simulated_nodes.pod_life import (
    NEVER,
    Container,
    Pace,
    changes,
    containers_of,
    end_of,
    spans,
)
from simulated_nodes.pod_status import status_at
from tesk_taskmaster.adapters.kubernetes.manifests.inspection_job import parse_occupied
from tesk_taskmaster.adapters.launcher_report import parse_report
from tesk_taskmaster.domain.termination import Report

PACE = Pace(start=1, transfer=2)
BOUND = 100.0


def launched(name: str, *command: str, after: str = "") -> dict[str, Any]:
    turn = ["--after", after] if after else []
    return {
        "name": name,
        "image": "busybox",
        "command": ["/.tesk/launcher"],
        "args": [*turn, "--report", "/dev/termination-log", "--", *command],
    }


def one_pod() -> list[Container]:
    steps = [
        launched("in", "tesk-filer"),
        launched("x0", "sleep", "10", after="in"),
        launched("out", "tesk-filer", after="x0"),
    ]
    return containers_of({"containers": steps}, "pod", PACE)


def job_of(step: str, *command: str) -> list[Container]:
    return containers_of({"containers": [launched("main", *command)]}, step, PACE)


def status(containers: list[Container], moment: float, **times: float) -> Any:
    found = spans(containers, PACE, bound=BOUND, **times)
    return status_at(moment, containers, found, bound=BOUND, address="127.0.0.1")


def states(told: Any) -> list[str]:
    every = [*told["initContainerStatuses"], *told["containerStatuses"]]
    return [next(iter(each["state"])) for each in every]


@pytest.mark.parametrize(
    ("step", "command", "seconds"),
    [
        ("x0", ["sleep", "10"], 10),
        ("x0", ["true"], 0),
        ("in", ["tesk-filer"], 2),
        ("out-1", ["tesk-filer"], 2),
    ],
)
def test_command_of_a_job_takes_as_long_as_it_says(
    step: str, command: list[str], seconds: float
) -> None:
    containers = job_of(step, *command)

    found = spans(containers, PACE, bound=BOUND)

    assert found["main"].started == 101
    assert found["main"].ended == 101 + seconds


def test_containers_of_one_pod_start_together_and_take_turns() -> None:
    found = spans(one_pod(), PACE, bound=BOUND)

    assert [(each.started, each.began, each.ended) for each in found.values()] == [
        (101, 101, 103),
        (101, 103, 113),
        (101, 113, 115),
    ]
    assert changes(found, BOUND) == [100, 101, 103, 113, 115]
    assert end_of(found) == 115


def test_a_filer_of_both_transfers_has_two_turns() -> None:
    filer = launched("filer", "tesk-filer")
    at = filer["args"].index("--")
    filer["args"][at:at] = ["--turn", "in", "--then", "out", "--after", "x0"]
    spec = {"containers": [filer, launched("x0", "sleep", "10", after="in")]}

    found = spans(containers_of(spec, "pod", PACE), PACE, bound=BOUND)

    assert [(each.started, each.began, each.ended) for each in found.values()] == [
        (101, 101, 115),
        (101, 103, 113),
    ]


def test_init_containers_follow_each_other() -> None:
    spec = {
        "initContainers": [
            launched("in", "tesk-filer"),
            launched("x0", "sleep", "10", after="in"),
        ],
        "containers": [launched("out", "tesk-filer", after="x0")],
    }

    found = spans(containers_of(spec, "pod", PACE), PACE, bound=BOUND)

    assert [(each.started, each.ended) for each in found.values()] == [
        (101, 103),
        (104, 114),
        (115, 117),
    ]


@pytest.mark.parametrize(
    ("moment", "phase", "want"),
    [
        (100, "Pending", ["waiting", "waiting", "waiting"]),
        (101, "Running", ["running", "running", "running"]),
        (104, "Running", ["terminated", "running", "running"]),
        (113, "Running", ["terminated", "terminated", "running"]),
        (115, "Succeeded", ["terminated", "terminated", "terminated"]),
    ],
)
def test_status_is_that_of_its_moment(
    moment: float, phase: str, want: list[str]
) -> None:
    told = status(one_pod(), moment)

    assert (told["phase"], states(told)) == (phase, want)


def test_pod_whose_init_containers_run_is_pending() -> None:
    spec = {
        "initContainers": [launched("in", "tesk-filer")],
        "containers": [launched("x0", "true", after="in")],
    }

    told = status(containers_of(spec, "pod", PACE), 101)

    assert (told["phase"], states(told)) == ("Pending", ["running", "waiting"])


def test_a_launcher_leaves_a_report_that_tesk_reads() -> None:
    told = status(job_of("x0", "sleep", "10"), 111)

    ended = told["containerStatuses"][0]["state"]["terminated"]
    report = parse_report(ended["message"].encode())
    assert isinstance(report, Report)
    assert (ended["exitCode"], report.exit_code, report.terminated) == (0, 0, False)
    assert report.started_at is not None
    assert report.started_at.timestamp() == 101
    assert report.logged is not None
    assert report.logged.total == 0


def test_an_inspected_image_is_said_to_be_empty() -> None:
    main = {
        **launched("main", "inspect"),
        "args": ["--inspect", "/in", "--", "inspect"],
    }

    (container,) = containers_of({"containers": [main]}, "p0", PACE)

    assert parse_occupied(container.printed.encode(), ["/in"]) == []


def test_what_does_not_begin_with_a_launcher_leaves_none() -> None:
    plain = {"name": "main", "image": "tesk-filer"}
    told = status(containers_of({"containers": [plain]}, "in", PACE), 103)

    assert "message" not in told["containerStatuses"][0]["state"]["terminated"]


def test_commands_of_a_deleted_pod_end_by_sigterm() -> None:
    told = status(one_pod(), 105, stopped=105)

    codes = [
        each["state"]["terminated"]["exitCode"] for each in told["containerStatuses"]
    ]
    (_, running, _) = told["containerStatuses"]
    assert (told["phase"], codes) == ("Failed", [0, 143, 143])
    assert json.loads(running["state"]["terminated"]["message"])["terminated"]


def test_a_pod_that_is_deleted_before_it_starts_never_runs() -> None:
    containers = job_of("x0", "sleep", "10")

    found = spans(containers, PACE, bound=BOUND, stopped=100.5)
    told = status(containers, 100.5, stopped=100.5)

    assert (found["main"].started, end_of(found)) == (NEVER, 100.5)
    assert "startedAt" not in told["containerStatuses"][0]["state"]["terminated"]
