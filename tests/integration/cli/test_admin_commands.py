"""``tesk admin`` as an operator types it, on a scheduler that runs."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clients.admin_terminal import AdminTerminal, admin_terminal
from programs.serve_command import Serving, end_leftovers, serving
from tesk.v1 import assignment_service_pb2
from tesk_cli.adapters.admin_client import AdminClient
from tesk_cli.domain.exits import ExitCode
from tesk_model.errors import InvalidRequestError, UnavailableError
from tesk_scheduler.domain.quota import Limit
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota


def test_status_says_what_is_held_by_whom(terminal: AdminTerminal) -> None:
    nothing = terminal.run("status")
    held = terminal.run("hold", "--user", "bob", "--reason", "talk to us")
    status = terminal.run("status")
    released = terminal.run("release", "--user", "bob")

    assert "nothing is held" in nothing.stdout
    assert held.stdout == "user bob: is held\n"
    assert status.stdout.splitlines()[-1].split()[:2] == ["user", "bob"]
    assert status.stdout.rstrip().endswith("talk to us")
    assert released.stdout == ("user bob: is released; was held by ada: talk to us\n")
    assert {each.operator for each in terminal.callers} == {"ada"}


def test_a_dry_run_changes_nothing(terminal: AdminTerminal, tmp_path: Path) -> None:
    (task_id,) = terminal.running.create()
    name = terminal.running.launcher.wait_for(1)
    before = terminal.json("status")
    said = [
        terminal.run(*arguments, "--dry-run").stdout
        for arguments in (
            ("hold", "--all", "--reason", "r"),
            ("drain",),
            ("requeue", task_id),
            ("cancel", "--all"),
            ("taskmasters", "drain", name),
            ("verify", "--fix"),
            ("export", str(tmp_path / "x"), "--live"),
            ("retention", "run"),
        )
    ]

    assert terminal.json("status") == before
    assert said[0] == "all tasks: would be held\n"
    assert said[1].startswith("would hold all tasks and wait for 1 running")
    assert said[2] == f"{task_id}: would be requeued\n"
    assert said[3] == "1 tasks match: 1 INITIALIZING\n"
    assert said[4] == f"{name} would drain; it has 1 attempts\n"
    assert said[7] == "0 tasks would be deleted\n"
    assert not (tmp_path / "x").exists()


WRONG = {
    "nobody": ("hold", "--reason", "r"),
    "two": ("hold", "--reason", "r", "--all", "--user", "u"),
    "an age without a unit": ("cancel", "--older-than", "7"),
    "no condition": ("cancel",),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_told(
    terminal: AdminTerminal, arguments: tuple[str, ...]
) -> None:
    result = terminal.run(*arguments)

    assert isinstance(result.exception, InvalidRequestError)


def test_drain_waits_until_nothing_runs(terminal: AdminTerminal) -> None:
    terminal.running.create()
    taskmaster = terminal.running.launched()
    answer = taskmaster.sync()

    def finish() -> None:
        taskmaster.report(
            taskmaster.ended(answer.run[0], assignment_service_pb2.OUTCOME_COMPLETE)
        )

    terminal.clock.steps = [lambda: None, finish]
    result = terminal.run("drain")
    (hold,) = terminal.json("status")["holds"]

    assert result.exit_code == 0
    assert "waiting for 1 running tasks, 1 attempts" in result.stderr
    assert "nothing runs" in result.stdout
    assert hold["reason"] == "the service is drained for maintenance"
    assert terminal.clock.now == timedelta(seconds=2)


def test_drain_goes_on_when_the_scheduler_answers_again(
    terminal: AdminTerminal,
) -> None:
    failures = iter([UnavailableError("restarting")])

    class AwayForAWhile(AdminClient):
        """Does not answer once, while it is drained."""

        def call(self, method: str, **fields: Any) -> dict[str, Any]:
            found = super().call(method, **fields)
            if method == "GetStatus" and found["holds"]:
                for failure in failures:
                    raise failure
            return found

    terminal.client = AwayForAWhile

    result = terminal.run("drain")

    assert result.exit_code == 0
    assert "no answer, trying again: restarting" in result.stderr


def test_drain_gives_up_in_time_and_keeps_the_hold(terminal: AdminTerminal) -> None:
    terminal.running.create()
    terminal.running.launcher.wait_for(1)

    result = terminal.run("drain", "--timeout", "3", "--reason", "upgrade")

    assert result.exit_code == ExitCode.TIMED_OUT
    assert terminal.json("status")["holds"][0]["reason"] == "upgrade"


def test_requeue_ends_with_a_code_if_a_task_was_not(terminal: AdminTerminal) -> None:
    terminal.run("hold", "--all", "--reason", "r")
    ids = terminal.running.create(2)

    result = terminal.run("requeue", *ids)

    assert result.exit_code == ExitCode.TASK_FAILED
    assert result.stdout.count("it is queued already") == 2


def test_cancel_counts_and_asks_first(terminal: AdminTerminal) -> None:
    terminal.run("hold", "--all", "--reason", "r")
    terminal.running.create(3, name="big 1")
    terminal.running.create(1, name="small")
    matching = ("cancel", "--name-prefix", "big", "--owner", "alice")

    young = terminal.run(*matching, "--older-than", "1h", "--yes")
    refused = terminal.run(*matching, stdin="n\n")
    left = terminal.json("status")["queued"]
    done = terminal.run(*matching, stdin="y\n")

    assert young.stdout == "0 tasks match\n"
    assert refused.exit_code != 0
    assert "3 tasks match: 3 QUEUED" in refused.stderr
    assert left == 4
    assert done.stdout.endswith("3 tasks canceled\n")
    assert terminal.json("status")["queued"] == 1


def test_taskmasters_are_listed(terminal: AdminTerminal) -> None:
    terminal.running.create()
    name = terminal.running.launcher.wait_for(1)

    listed = terminal.run("taskmasters", "list")
    drained = terminal.run("taskmasters", "drain", name)

    assert listed.stdout.splitlines()[1].split()[:3] == [name, "STARTING", "1/2"]
    assert drained.stdout == f"{name} drains; it has 1 attempts\n"
    (found,) = terminal.json("taskmasters", "list")["taskmasters"]
    assert found["state"] == "DRAINING"


def test_verify_ends_with_a_code_until_it_is_repaired(terminal: AdminTerminal) -> None:
    terminal.running.launcher.appear("stranger")

    found = terminal.run("verify")
    fixed = terminal.run("verify", "--fix")
    well = terminal.run("verify")

    assert found.exit_code == ExitCode.TASK_FAILED
    assert "TASKMASTER_UNKNOWN" in found.stdout
    assert fixed.exit_code == 0
    assert "done: end it" in fixed.stdout
    assert well.stdout == "all agree\n"


def test_priorities_of_queued_tasks_are_set(terminal: AdminTerminal) -> None:
    terminal.run("hold", "--all", "--reason", "r")
    first, second = terminal.running.create(2)

    planned = terminal.run("priority", "set", second, "7", "--dry-run")
    done = terminal.run("priority", "set", second, "7")
    lower = terminal.run("priority", "set", first, "-3")
    unknown = terminal.run("priority", "set", "nothing", "7")

    assert planned.stdout == f"{second}: would have priority 7\n"
    assert done.stdout == f"{second}: has priority 7\n"
    assert lower.stdout == f"{first}: has priority -3\n"
    assert unknown.exit_code == ExitCode.TASK_FAILED
    [queue] = terminal.running.store.queues(9)
    assert [(task.id, task.priority) for task in queue] == [(second, 7), (first, -3)]


def test_quota_shows_usage_beside_limits(terminal: AdminTerminal) -> None:
    terminal.running.create(3)
    terminal.running.launcher.wait_for(1)
    terminal.running.eventually(lambda: terminal.json("status")["queued"] == 0)

    text = terminal.run("quota", "show").stdout
    found = terminal.json("quota", "show")

    assert "user alice" in text
    assert "running 3" in text
    (alice,) = [
        each for each in found["subjects"] if each["subject"]["name"] == "alice"
    ]
    assert alice["used"]["cpu"] == 3
    assert alice["limit"] == {"queued": 20}
    assert alice["share"] == 0.75
    assert found["capacity"]["cpu"] == 4


def test_quota_shows_guarantees_and_types_of_gpus(tmp_path: Path) -> None:
    text = """
    capacity: {cpu: 8, gpu: 4, gpu_types: {a100: 3}}
    per_task: {max: {gpu: 2, gpu_types: {a100: 1}}}
    limits:
      - {match: {group: vision}, guaranteed: {cpu: 2.5, gpu: 1}, max: {gpu: 3}}
    """
    quota = quota_from_settings(load_quota(text), Limit())

    with admin_terminal(tmp_path / "b", quota=quota) as terminal:
        lines = terminal.run("quota", "show").stdout.splitlines()

    assert lines[-2:] == [
        "per_task: gpu 2, gpu_types.a100 1",
        "capacity: cpu 8, gpu 4, gpu_types.a100 3",
    ]
    (vision,) = [line for line in lines if line.startswith("group vision")]
    assert vision.split("  ")[-1].strip() == (
        "cpu 0 (2.5 guaranteed), gpu 0/3 (1 guaranteed)"
    )


def test_a_quota_is_checked_against_the_one_in_force(
    terminal: AdminTerminal, tmp_path: Path
) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text("users: {alice: {running: 3}}")
    changed = terminal.run("quota", "check", str(file))
    file.write_text("users: {alice: {runing: 3, cpu: x}}")
    wrong = terminal.run("quota", "check", str(file))
    file.write_text("{}")
    same = terminal.run("quota", "check", str(file))

    assert "users.alice.running: none → 3" in changed.stdout
    assert isinstance(wrong.exception, InvalidRequestError)
    assert len(wrong.exception.violations) == 2
    assert same.stdout == "valid, and the same as the one in force\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    made = serving(tmp_path)
    yield made
    end_leftovers(made)


def test_the_scheduler_of_this_machine_is_found(server: Serving) -> None:
    before = server.tesk("admin", "status")
    process = server.start()
    status = server.tesk("admin", "status", "--json")
    process.terminate()
    process.wait(60)

    assert before.returncode == ExitCode.INVALID
    assert "no server runs on this machine" in before.stderr
    assert json.loads(status.stdout)["taskmasters"] == 0
