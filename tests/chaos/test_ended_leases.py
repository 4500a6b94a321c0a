"""Attempts whose taskmaster lost its lease are given on, and none is acted on twice.

A lease ends though its taskmaster lives: because that is paused, or because no scheduler
is there for longer.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from os import kill
from pathlib import Path

import pytest

from programs.chaos import LONG, Chaos, chaos
from programs.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

_LEASE = "3"
_TASKS = 4


@contextmanager
def hanging_tasks(database: str, home: Path) -> Iterator[tuple[Chaos, int]]:
    """Run tasks that go on until the end of the block; check all then.

    Yields:
        Them, and the process id of the first taskmaster that began one.
    """
    with chaos(home, database, lease=_LEASE) as it:
        it.start()
        end = threading.Event()
        client = threading.Thread(
            target=it.submit, args=[_TASKS], kwargs={"until": end}, daemon=True
        )
        client.start()
        eventually(it.runs, within=LONG, what="a task that begins")
        yield it, it.runs()[0][2]
        eventually(
            lambda: all_began_elsewhere(it), within=LONG, what="another taskmaster"
        )
        end.set()
        client.join(LONG)
        assert not client.is_alive()
        it.wait_for_the_end()
        assert it.stop() == 0
        it.check()


def all_began_elsewhere(it: Chaos) -> bool:
    """Tell whether another has begun each attempt of the first taskmaster."""
    first = it.runs()[0][2]
    had = {(task_id, number) for task_id, number, pid in it.runs() if pid == first}
    return had <= {
        (task_id, number) for task_id, number, pid in it.runs() if pid != first
    }


def test_a_taskmaster_is_paused_past_its_lease(database: str, tmp_path: Path) -> None:
    with hanging_tasks(database, tmp_path) as (it, pid):
        kill(pid, signal.SIGSTOP)
        eventually(
            lambda: pid not in it.process.taskmasters(), within=LONG, what="its end"
        )


def test_no_scheduler_is_there_for_longer_than_a_lease(
    database: str, tmp_path: Path
) -> None:
    with hanging_tasks(database, tmp_path) as (it, pid):
        it.process.end(signal.SIGKILL)
        eventually(lambda: pid in it.lapsed(), within=LONG, what="the end of its lease")
        it.start()
