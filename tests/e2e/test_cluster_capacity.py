"""More work than the cluster can hold, and an upgrade in the middle of it.

With the requests that the chart gives to TESK's own pods. ``TESK_BURST`` is the
number of tasks; ``make soak`` runs 2,000.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.gated_storage import GatedStorage
from cluster.release import Release, installed
from cluster.session import Session
from cluster.values import Values
from programs.waiting import eventually
from scenarios.scenario import Task, logs, shell

BURST = int(os.environ.get("TESK_BURST", "100"))
# On one node a pod takes some seconds, whatever it does.
LONGEST = 200 + 4 * BURST

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.alone,
    pytest.mark.timeout(LONGEST + 200),
]


def plain_values(session: Session) -> Values:
    """Return the shared values with the chart's own requests of the services."""
    return {
        name: {key: value for key, value in part.items() if key != "resources"}
        for name, part in session.values().items()
    }


@pytest.fixture(scope="module")
def crowded(session: Session) -> Iterator[Release]:
    """A release of its own."""
    values = plain_values(session)
    with installed(session.kube, f"{session.name}-crowded", values) as release:
        release.connect()
        yield release


def task(*executors: Task, cpu: float = 0.1, **fields: Any) -> Task:
    """Return a task that asks for a part of a core, and little memory."""
    resources = {"cpu_cores": cpu, "ram_gb": 0.0625}
    return {"executors": list(executors), "resources": resources, **fields}


def count(release: Release, state: str) -> int:
    """Count the tasks in a state, up to a page."""
    answer = release.client.get(
        "/tasks", params={"state": state, "page_size": 2000, "view": "MINIMAL"}
    )
    return len(answer.raise_for_status().json()["tasks"])


def time_of(task: Task, name: str) -> datetime:
    """Return when a task started or ended."""
    return datetime.fromisoformat(task["logs"][0][name])


def revisions(release: Release) -> set[str]:
    """Return the revisions of the taskmasters that there are."""
    pods = release.component("taskmaster")
    return {pod["metadata"]["labels"]["tesk/revision"] for pod in pods}


@pytest.mark.long
def test_a_burst_ends_and_an_upgrade_in_its_middle_counts_at_once(
    crowded: Release,
) -> None:
    body = task(shell('echo "generation $GENERATION"'))
    ids = [crowded.create(body) for _ in range(BURST)]
    most = 0

    def ended(wanted: int) -> bool:
        nonlocal most
        most = max(most, len(crowded.component("taskmaster")))
        return count(crowded, "COMPLETE") >= wanted

    eventually(lambda: ended(BURST // 8), within=LONGEST, every=1, what="an eighth")
    before = revisions(crowded)
    crowded.upgrade(
        {"executors": {"extraEnv": [{"name": "GENERATION", "value": "two"}]}}
    )
    upgraded = datetime.now(UTC)
    left = count(crowded, "QUEUED")
    eventually(lambda: ended(BURST), within=LONGEST, every=1, what="all")

    tasks = [crowded.get(each) for each in ids]
    said = {
        each["id"]: (time_of(each, "start_time"), logs(each)[0]["stdout"])
        for each in tasks
    }
    late = {
        text for start, text in said.values() if start > upgraded + timedelta(seconds=5)
    }
    assert left > 0
    assert late == {"generation two\n"}
    assert said[ids[0]][1] == "generation \n"
    # One of each revision at work, and one that is about to go.
    assert most <= 3
    assert len(before) == 1
    eventually(
        lambda: not revisions(crowded) & before, within=30, every=1, what="old ones"
    )


def test_tasks_end_in_the_order_of_their_start(
    crowded: Release, gated_storage: GatedStorage
) -> None:
    source = gated_storage.put("crowded/in", b"x" * 1000)
    ids = [
        crowded.create(
            task(
                shell("cp /in/a /out/b"),
                cpu=0.4,
                inputs=[{"path": "/in/a", "url": source}],
                outputs=[
                    {"path": "/out/b", "url": f"{gated_storage.url}/crowded/{number}"}
                ],
            )
        )
        for number in range(12)
    ]

    tasks = [crowded.finish(each, within=300, every=1) for each in ids]

    begin = min(time_of(each, "start_time") for each in tasks)
    ends = sorted(time_of(each, "end_time") - begin for each in tasks)
    assert {each["state"] for each in tasks} == {"COMPLETE"}
    assert ends[0] < ends[-1] / 2
    assert len(gated_storage.names("crowded/")) == 13


def test_a_task_that_no_node_can_hold_waits_alone(crowded: Release) -> None:
    big = crowded.create(task(shell("true"), cpu=500))

    small = crowded.run(task(shell("true")))

    reason = crowded.wait_for_reason(big, "larger node")
    assert small["state"] == "COMPLETE"
    assert "500 cpu needed" in reason
    crowded.cancel(big)
