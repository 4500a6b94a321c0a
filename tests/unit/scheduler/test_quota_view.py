"""Whoever looks at the quota sees what there is, in a cluster as well."""

from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from schedulers.databases import sqlite_database
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.capacity import (
    Capacity,
    OwnPods,
    TaskmasterCounts,
    cluster_capacity,
)
from tesk_scheduler.domain.dimensions import CPU, RAM, RUNNING
from tesk_scheduler.domain.quota import NO_LIMIT, Demand, Limit, Quota, Usage
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.usecases.admin.quota_view import QuotaView

POD = Demand(cpu_millis=100)
NODE = Limit(running=110, cpu_millis=8000, ram=2**34)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlTaskStore]:
    store = SqlTaskStore.open(sqlite_database(tmp_path / "tesk.db"))
    yield store
    store.close()


def nodes(quota: Quota) -> Capacity:
    """Return the capacity of two nodes."""
    return cluster_capacity(
        [NODE, NODE],
        given=quota.given,
        bound=NO_LIMIT,
        own=OwnPods(taskmaster=POD, filer=POD),
        taskmasters=TaskmasterCounts(count=0, free=0, slots=20),
        committed=Usage(),
    )


def test_a_cluster_has_what_its_nodes_have(store: SqlTaskStore) -> None:
    view = QuotaView(store=store, quotas=FixedQuota(Quota()), cluster=nodes)

    page = view.page("")

    assert (page.capacity[CPU], page.capacity[RAM]) == (16000, 2**35)
    assert page.capacity[RUNNING] == inf  # of pods alone
    [everybody] = page.subjects
    assert everybody.part == 0


def test_settings_come_before_nodes(store: SqlTaskStore) -> None:
    given = Limit(cpu_millis=4000, running=7)
    quota = Quota(capacity=given, given=given)
    view = QuotaView(store=store, quotas=FixedQuota(quota), cluster=nodes)

    capacity = view.page("").capacity

    assert (capacity[CPU], capacity[RUNNING], capacity[RAM]) == (4000, 7, 2**35)


def test_a_machine_has_what_its_quota_says(store: SqlTaskStore) -> None:
    machine = Quota(capacity=Limit(cpu_millis=2000))

    page = QuotaView(store=store, quotas=FixedQuota(machine)).page("")

    assert page.capacity == machine.capacity
