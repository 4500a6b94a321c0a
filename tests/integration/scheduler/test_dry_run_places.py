"""Where a task would run, when there are several namespaces and nodes."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.scheduler_environment import FrozenClock
from schedulers.databases import sqlite_database
from tesk_model.errors import InvalidRequestError
from tesk_model.quantities import GIB, ByteCount
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task_checks import Placement
from tesk_scheduler.adapters.ids import UlidGenerator
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.quota import Amounts, Demand, Limit, Quota
from tesk_scheduler.domain.records import Document
from tesk_scheduler.ports.cluster import Nodes
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.usecases.acceptance import Acceptance, Draft
from tesk_scheduler.usecases.dry_run import DryRun, DryRunResult, Site
from tesk_scheduler.usecases.queue_places import QueuePlaces


class TwoNodes:
    """A cluster of a small and a large node."""

    def nodes(self, _reserve: Amounts, /) -> Nodes:
        sizes = (1000, 8000)
        return Nodes(
            [Limit(cpu_millis=cpu, ram=ByteCount(8 * GIB), running=10) for cpu in sizes]
        )

    def bound(self) -> Limit:
        return Limit()

    def problem(self) -> str:
        return ""

    def own_pods(self) -> OwnPods:
        pod = Demand(cpu_millis=100)
        return OwnPods(taskmaster=pod, filer=pod)


def dry_run(
    folder: Path,
    quota: Quota,
    *,
    shortage: Reason | None = None,
    parameters: Mapping[str, str] | None = None,
) -> DryRunResult:
    store = SqlTaskStore.open(sqlite_database(folder / "tesk.db"))
    clock, quotas = FrozenClock(), FixedQuota(quota)
    run = DryRun(
        store=store,
        clock=clock,
        ids=UlidGenerator(),
        quotas=quotas,
        acceptance=Acceptance(clock=clock, rules=AttemptRules),
        places=QueuePlaces(store=store, clock=clock, quotas=quotas),
        site=Site(
            runtime="cluster",
            namespaces=("team-a", "team-b"),
            cluster=TwoNodes(),
            capacity=lambda _quota: None,
            slot_shortage=lambda: shortage,
        ),
    )
    try:
        return run.of(
            Draft(
                caller=Caller("alice"),
                document=Document(b""),
                executors=1,
                name=None,
                tags={},
                resources={"cpu_cores": 2},
                idempotency_key="",
                warnings=(),
                parameters=parameters or {},
            )
        )
    finally:
        store.close()


def test_namespaces_nodes_and_the_layout_that_is_asked_for(tmp_path: Path) -> None:
    result = dry_run(tmp_path, Quota(), parameters={"Layout": "pod"})

    assert result.prospect is not None
    assert result.prospect.placement == Placement(
        runtime="cluster",
        namespaces=("team-a", "team-b"),
        layout="pod",
        nodes=2,
        fitting_nodes=1,
    )


def test_nodes_are_not_asked_for_where_they_bind_nothing(tmp_path: Path) -> None:
    result = dry_run(tmp_path, Quota(finds_capacity=False))

    assert result.prospect is not None
    assert result.prospect.placement.nodes is None


def test_the_worst_namespace_counts(tmp_path: Path) -> None:
    result = dry_run(tmp_path, Quota(namespaces={"team-b": Limit(cpu_millis=1000)}))

    assert isinstance(result.refusal, InvalidRequestError)
    assert "namespace team-b" in result.refusal.message


@pytest.mark.parametrize("is_short", [True, False])
def test_taskmasters_without_room_are_waited_for(
    tmp_path: Path, *, is_short: bool
) -> None:
    full = Reason(ReasonCode.TASKMASTERS_FULL, "waiting for a taskmaster")

    result = dry_run(tmp_path, Quota(), shortage=full if is_short else None)

    assert result.prospect is not None
    assert result.prospect.reason.text == (full.text if is_short else "")
