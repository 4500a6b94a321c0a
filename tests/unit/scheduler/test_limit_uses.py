"""Which limits a task counts against, and how many nodes have room for it."""

from tesk_model.quantities import GIB, ByteCount
from tesk_model.task_checks import LimitUse
from tesk_scheduler.domain.capacity import OwnPods, count_fitting
from tesk_scheduler.domain.charging import charged_subjects
from tesk_scheduler.domain.limit_uses import limit_uses
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)

ALICE = Subject(SubjectKind.USER, "alice")
DEMAND = Demand(cpu_millis=2000, ram=ByteCount(GIB))


def uses(quota: Quota, usage: dict[Subject, Usage] | None = None) -> list[LimitUse]:
    subjects = charged_subjects("alice", ("lab",), quota, namespace="team-a")
    return list(
        limit_uses(DEMAND, subjects, usage=usage or {}, quota=quota, cluster=None)
    )


def test_without_limits_nothing_binds() -> None:
    assert uses(Quota()) == []


def test_limits_are_told_in_the_units_of_tasks() -> None:
    quota = Quota(
        per_task=Limit(ram=ByteCount(4 * GIB)),
        users={"alice": Limit(running=3, queued=10)},
        namespaces={"team-a": Limit(cpu_millis=8000)},
    )
    usage = {ALICE: Usage(running=1, queued=2)}

    assert uses(quota, usage) == [
        LimitUse(scope="task", dimension="ram_gb", limit=4, needed=1),
        LimitUse(
            scope="user",
            subject="alice",
            dimension="running",
            used=1,
            limit=3,
            needed=1,
        ),
        LimitUse(
            scope="user",
            subject="alice",
            dimension="queued",
            used=2,
            limit=10,
            needed=1,
        ),
        LimitUse(
            scope="namespace",
            subject="team-a",
            dimension="cpu",
            used=0,
            limit=8,
            needed=2,
        ),
    ]


def test_the_capacity_is_what_all_tasks_share() -> None:
    quota = Quota(capacity=Limit(cpu_millis=4000))
    usage = {EVERYBODY: Usage(cpu_millis=3000)}

    [use] = uses(quota, usage)

    assert (use.scope, use.used, use.limit, use.needed) == ("capacity", 3, 4, 2)


def test_what_a_task_does_not_ask_for_does_not_bind_it() -> None:
    assert uses(Quota(everybody=Limit(gpu=4))) == []


def test_a_node_must_hold_the_task_beside_its_taskmaster() -> None:
    own = OwnPods(
        taskmaster=Demand(cpu_millis=500, running=1),
        filer=Demand(cpu_millis=100, running=1),
    )
    nodes = [
        Limit(cpu_millis=cpu, running=10, ram=ByteCount(8 * GIB))
        for cpu in (2000, 2500, 4000)
    ]

    assert count_fitting(nodes, DEMAND, own) == 2
    assert count_fitting([], DEMAND, own) == 0
