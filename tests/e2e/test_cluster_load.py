"""Many tasks at once, and their logs: none is lost, cut or mixed up."""

import pytest

from cluster.release import Release
from programs.waiting import eventually
from scenarios.scenario import codes, logs, shell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

# No sleep: a line is printed as fast as a shell can.
LINES = (
    'i=0; while [ $i -lt 1000 ]; do echo "$1 $i"; echo "$1 $i" >&2; i=$((i+1)); done'
)


@pytest.mark.long
@pytest.mark.alone
def test_fifty_tasks_at_once_with_a_thousand_lines_each(tesk: Release) -> None:
    ids = {
        f"task-{number}": tesk.create({"executors": [shell(LINES, f"task-{number}")]})
        for number in range(50)
    }

    for name, task_id in ids.items():
        task = tesk.finish(task_id, within=300, every=1)
        want = "".join(f"{name} {line}\n" for line in range(1000))
        assert (task["state"], codes(task)) == ("COMPLETE", [0]), task
        told = task["logs"][-1].get("system_logs")
        assert logs(task)[0]["stdout"] == want, told
        assert logs(task)[0]["stderr"] == want, told
    tesk.wait_until_clean(*ids.values())


def test_output_can_be_followed_while_a_command_runs(tesk: Release) -> None:
    task_id = tesk.create(
        {"executors": [shell("echo early; echo problem >&2; sleep 600")]}
    )

    def streams() -> tuple[str, str] | None:
        shown = tesk.live(task_id)["executors"]
        pair = (shown[0]["stdout"], shown[0]["stderr"]) if shown else ("", "")
        return pair if all(pair) else None

    assert eventually(streams, within=60, every=0.3) == ("early\n", "problem\n")
    assert tesk.state(task_id) == "RUNNING"

    tesk.cancel(task_id)
    tesk.wait_for(task_id, "CANCELED", within=30)
    assert logs(tesk.get(task_id))[0]["stdout"] == "early\n"
