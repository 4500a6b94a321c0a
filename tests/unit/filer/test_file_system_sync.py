"""Many threads share the syncs of a file system."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from programs.waiting import eventually
from tesk_filer.adapters.file_system_sync import (
    GroupSync,
    sync_file_system,
    syncs_reliably,
)


class Disk:
    """Syncs when it is let, and knows what was written before."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.written = self.durable = self.syncs = 0
        self.works = True

    def sync(self, _descriptor: int) -> bool:
        self.syncs += 1
        written = self.written
        self.begun.release()
        assert self.may_end.acquire(timeout=60)
        self.durable = written
        return self.works


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def group(disk: Disk, tmp_path: Path) -> GroupSync:
    return GroupSync(os.open(tmp_path, os.O_RDONLY), disk.sync)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_calls_that_come_while_a_sync_runs_share_the_next(
    disk: Disk, group: GroupSync, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(group.flush)
    assert disk.begun.acquire(timeout=60)
    disk.written = 1
    rest = [threads.submit(group.flush) for _ in range(5)]
    eventually(lambda: group.asked == 6, what="six calls")
    disk.may_end.release()
    disk.may_end.release()

    for each in (first, *rest):
        each.result(60)

    assert (disk.durable, disk.syncs) == (1, 2)


def test_a_call_after_a_sync_began_needs_another(
    disk: Disk, group: GroupSync, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(group.flush)
    assert disk.begun.acquire(timeout=60)
    disk.written = 1
    second = threads.submit(group.flush)
    disk.may_end.release()
    first.result(60)
    assert not second.done()
    disk.may_end.release()

    second.result(60)

    assert (disk.durable, disk.syncs) == (1, 2)


def test_after_a_sync_that_failed_none_is_believed(
    disk: Disk, group: GroupSync
) -> None:
    disk.works = False
    disk.may_end.release()
    with pytest.raises(OSError, match="Input/output"):
        group.flush()
    disk.works = True

    with pytest.raises(OSError, match="Input/output"):
        group.flush()

    assert (group.has_failed, disk.syncs) == (True, 1)


def test_a_closed_file_system_is_not_synced() -> None:
    descriptor = os.open("/", os.O_RDONLY)
    os.close(descriptor)

    assert not sync_file_system(descriptor)
    assert not syncs_reliably(descriptor)


def test_what_is_no_disk_of_this_machine_is_not_relied_on() -> None:
    descriptor = os.open("/proc", os.O_RDONLY)

    assert not syncs_reliably(descriptor)

    os.close(descriptor)
