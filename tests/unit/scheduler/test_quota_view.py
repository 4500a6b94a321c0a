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
    with_gpu_types,
)
from tesk_scheduler.domain.dimensions import CPU, RAM, RUNNING
from tesk_scheduler.domain.quota import NO_LIMIT, Demand, Limit, Quota, Usage
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota
from tesk_scheduler.servicer.quota_wire import page_to_wire
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


def test_types_of_gpus_are_shown_beside_the_amounts(store: SqlTaskStore) -> None:
    text = """
    capacity: {cpu: 8, gpu: 4, gpu_types: {a100: 3}}
    per_task: {max: {gpu: 2, gpu_types: {a100: 1, t4: 0}}}
    """
    quota = quota_from_settings(load_quota(text), Limit())

    page = page_to_wire(QuotaView(store=store, quotas=FixedQuota(quota)).page(""))

    assert page.per_task == {"gpu": 2, "gpu_types.a100": 1, "gpu_types.t4": 0}
    assert page.capacity == {"cpu": 8, "gpu": 4, "gpu_types.a100": 3}


def test_types_of_gpus_of_a_cluster_are_those_of_its_nodes(
    store: SqlTaskStore,
) -> None:
    def cluster(quota: Quota) -> Capacity:
        gpus = {"t4": [Limit(gpu=2), Limit(gpu=1)]}
        return with_gpu_types(nodes(quota), gpus, given={}, used={})

    view = QuotaView(store=store, quotas=FixedQuota(Quota()), cluster=cluster)

    assert page_to_wire(view.page("")).capacity["gpu_types.t4"] == 3
