"""Cancel, in every phase, ends a task in seconds and leaves nothing of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cluster.gated_storage import GatedStorage
from cluster.held_task import PHASES, HeldTask, Phase
from cluster.release import Release
from scenarios.scenario import codes, logs, shell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def tesk(tesk_of_faults: Release) -> Release:
    """Run the tests of this module in each layout."""
    return tesk_of_faults


@dataclass(frozen=True)
class Tasks:
    """One task held in each phase, one without a node, one that none can hold."""

    held: dict[Phase, HeldTask]
    unplaced: str
    queued: str


@pytest.fixture(scope="module")
def tasks(tesk: Release, gated_storage: GatedStorage) -> Iterator[Tasks]:
    held = {
        phase: HeldTask(tesk, gated_storage, f"cancel-{phase}", hold=[phase])
        for phase in PHASES
    }
    nowhere = {"executors": [shell("true")], "resources": {"zones": ["nowhere"]}}
    too_big = {"executors": [shell("true")], "resources": {"cpu_cores": 600}}
    unplaced, queued = tesk.create(nowhere), tesk.create(too_big)
    yield Tasks(held=held, unplaced=unplaced, queued=queued)
    for task_id in (queued, unplaced):
        tesk.cancel(task_id)


def cancel(tesk: Release, task_id: str) -> None:
    started = time.monotonic()
    tesk.cancel(task_id)
    tesk.wait_for(task_id, "CANCELED", within=30, every=0.1)
    assert time.monotonic() - started < 20
    tesk.wait_until_clean(task_id)


def test_cancel_while_queued(tesk: Release, tasks: Tasks) -> None:
    tesk.wait_for_reason(tasks.queued, "larger node: 600 cpu")
    assert tesk.state(tasks.queued) == "QUEUED"

    tesk.cancel(tasks.queued)

    assert tesk.state(tasks.queued) == "CANCELED"


def test_cancel_while_no_node_can_take_it(tesk: Release, tasks: Tasks) -> None:
    tesk.wait_for_reason(tasks.unplaced, "no node")
    assert tesk.state(tasks.unplaced) == "INITIALIZING"

    cancel(tesk, tasks.unplaced)


@pytest.mark.parametrize("phase", PHASES)
def test_cancel_in_each_phase(phase: Phase, tesk: Release, tasks: Tasks) -> None:
    task = tasks.held[phase]
    task.reach(phase)

    cancel(tesk, task.task_id)

    assert task.outputs() == []
    shown = tesk.get(task.task_id)
    if phase == "x0":
        assert logs(shown)[0]["stdout"] == "started\n"
        assert codes(shown)[0] in (143, 137)
    else:
        assert codes(shown) == ([0] if phase == "out" else [])


def test_cancel_of_a_command_that_ignores_sigterm(tesk: Release) -> None:
    task_id = tesk.create(
        {"executors": [shell("trap '' TERM; echo on; while :; do sleep 1; done")]}
    )
    tesk.running_pod(task_id, "x0")

    cancel(tesk, task_id)


def test_many_cancels_straight_after_create(tesk: Release) -> None:
    count = 15 if tesk.has_one_pod else 50  # what is packed is alike in all layouts
    ids = [tesk.create({"executors": [shell("sleep 1000")]}) for _ in range(count)]
    for task_id in ids:
        tesk.cancel(task_id)

    for task_id in ids:
        tesk.wait_for(task_id, "CANCELED", within=100, every=0.3)
    tesk.wait_until_clean(*ids)
