"""Details of a reason: whose limit, its numbers, what must happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.queues import ALICE, cores, overdue, plan, queued, using
from tesk_model.quantities import GIB, ByteCount
from tesk_model.reasons import Reason
from tesk_model.remedies import remedy_of
from tesk_model.waits import WaitDetails, WaitScope
from tesk_scheduler.domain.capacity import (
    Capacity,
    OwnPods,
    TaskmasterCounts,
    cluster_capacity,
)
from tesk_scheduler.domain.dimensions import ASKED, DIMENSIONS, QUEUED, RUNNING
from tesk_scheduler.domain.pools import ClusterPool, Pool
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    NO_LIMIT,
    Amounts,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)

LAB = Subject(SubjectKind.GROUP, "lab")

DETAILS: dict[str, tuple[QueuedTask, Quota, dict[Subject, Usage], WaitDetails]] = {
    "tasks of a user": (
        queued("alice-1"),
        Quota(users={"*": Limit(running=50)}),
        {ALICE: using(50, running=50)},
        WaitDetails(
            scope=WaitScope.USER,
            subject="alice",
            dimension="running",
            used=50,
            limit=50,
            needed=1,
            remedy="starts when 1 task of alice has ended",
        ),
    ),
    "tasks of a user whose limit was lowered": (
        queued("alice-1"),
        Quota(users={"*": Limit(running=3)}),
        {ALICE: using(4, running=4)},
        WaitDetails(
            scope=WaitScope.USER,
            subject="alice",
            dimension="running",
            used=4,
            limit=3,
            needed=1,
            remedy="starts when 2 tasks of alice have ended",
        ),
    ),
    "memory of a group": (
        queued("alice-1", ram=4, group="lab"),
        Quota(groups={"lab": Limit(ram=ByteCount(8 * GIB))}),
        {LAB: using(1, ram=6)},
        WaitDetails(
            scope=WaitScope.GROUP,
            subject="lab",
            dimension="ram_gb",
            used=6,
            limit=8,
            needed=4,
            remedy="starts when tasks of group lab have freed 2 GiB memory",
        ),
    ),
    "tasks of all": (
        queued("alice-1"),
        Quota(everybody=Limit(running=9)),
        {EVERYBODY: using(9, running=9)},
        WaitDetails(
            scope=WaitScope.ALL,
            dimension="running",
            used=9,
            limit=9,
            needed=1,
            remedy="starts when 1 task has ended",
        ),
    ),
    "capacity of the machine": (
        queued("alice-1", cpu=4),
        Quota(capacity=cores(8)),
        {EVERYBODY: using(6.5)},
        WaitDetails(
            scope=WaitScope.CAPACITY,
            dimension="cpu",
            used=6.5,
            limit=8,
            needed=4,
            remedy="starts when tasks have freed 2.5 cpu",
        ),
    ),
}


def details_of(reason: Reason | None) -> WaitDetails:
    assert reason is not None
    assert reason.details is not None
    return reason.details


@pytest.mark.parametrize(
    ("task", "quota", "usage", "want"), DETAILS.values(), ids=DETAILS
)
def test_a_task_that_waits_says_for_what_as_data(
    task: QueuedTask, quota: Quota, usage: dict[Subject, Usage], want: WaitDetails
) -> None:
    decision = plan([task], quota=quota, usage=usage)

    assert details_of(decision.reasons[task.id]) == want


def test_what_can_never_run_says_what_helps() -> None:
    task = queued("alice-1", cpu=64)

    decision = plan([task], quota=Quota(per_task=cores(8)))

    assert remedy_of(decision.reasons[task.id]).startswith("starts only if")


def test_a_reservation_is_of_what_it_is_taken_from() -> None:
    big, small = queued("alice-1", cpu=4), queued("bob-2", cpu=2)

    decision = plan(
        [big],
        [small],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(2)},
        memory=overdue(big),
    )

    details = details_of(decision.reasons[small.id])
    assert (details.scope, details.dimension) == (WaitScope.CAPACITY, "cpu")
    assert details.remedy == "starts when that task has started and enough is left"


def cluster(*nodes: Limit) -> Capacity:
    own = OwnPods(taskmaster=Demand(cpu_millis=100), filer=Demand(cpu_millis=100))
    return cluster_capacity(
        nodes,
        given=NO_LIMIT,
        bound=NO_LIMIT,
        own=own,
        taskmasters=TaskmasterCounts(count=0, free=0, slots=1),
        committed=Usage(),
    )


def node(cpu: float) -> Limit:
    return Limit(running=10, cpu_millis=cpu * 1000, ram=64 * GIB)


def test_a_cluster_can_also_grow() -> None:
    pool = ClusterPool.of(cluster(node(4)))
    pool.take(Demand(cpu_millis=3000, ram=GIB))

    details = details_of(pool.shortage(Demand(cpu_millis=2000, ram=GIB)))

    assert details.scope is WaitScope.CAPACITY
    assert details.remedy == (
        "starts when tasks have freed 1.2 cpu, or more nodes are there"
    )


def test_a_node_that_is_too_small_says_which_would_do() -> None:
    details = details_of(cluster(node(4)).misfit(Demand(cpu_millis=8000, ram=GIB)))

    assert (details.scope, details.dimension) == (WaitScope.NODE, "cpu")
    assert (details.limit, details.needed) == (3.9, 8)
    assert details.remedy == "starts when a node with 8 cpu is there"


def test_a_cluster_without_nodes_waits_for_one() -> None:
    pool = ClusterPool.of(cluster())

    details = details_of(pool.shortage(Demand(cpu_millis=1000, ram=GIB)))

    assert details.scope is WaitScope.NODE
    assert details.remedy == "starts when a node that may run tasks is ready"


AMOUNTS = st.builds(
    lambda running, cpu, ram, disk: {
        "running": running,
        "cpu_millis": cpu,
        "ram": ram,
        "disk": disk,
    },
    *(st.integers(0, 5), st.integers(0, 64_000)),
    *(st.integers(0, 64 * GIB), st.integers(0, 64 * GIB)),
)


@given(
    limit=AMOUNTS,
    used=AMOUNTS,
    asked=AMOUNTS,
    reserved=AMOUNTS,
    subject=st.sampled_from(["", "alice", "group lab"]),
)
def test_details_agree_with_the_sentence_and_with_the_pool(
    limit: dict[str, int],
    used: dict[str, int],
    asked: dict[str, int],
    reserved: dict[str, int],
    subject: str,
) -> None:
    pool = Pool(
        subject=subject,
        owners="",
        total=Limit(**limit),
        used=list(Amounts(**used)),
        scope=WaitScope.USER if subject else WaitScope.CAPACITY,
        name=subject,
    )
    demand = Demand(**{**asked, "running": 1})
    if any(reserved.values()):
        pool.reserve(Amounts(**reserved))

    reason = pool.shortage(demand) or pool.reservation(demand)

    if reason is None:
        assert pool.fits(demand)
        return
    details = details_of(reason)
    [dimension] = [each for each in DIMENSIONS if each.setting == details.dimension]
    number = dimension.unit.number
    assert dimension in {RUNNING, *ASKED} - {QUEUED}
    assert details.used == number(pool.used[dimension])
    assert details.limit == number(pool.total[dimension])
    assert details.needed == number(demand[dimension])
    assert details.needed > 0
    if pool.shortage(demand) is None:
        return
    # It does not fit, and what must be freed is just what is missing.
    assert details.used + details.needed > details.limit
    said = dimension.unit.format(
        pool.used[dimension] + demand[dimension] - pool.total[dimension]
    )
    assert said in details.remedy
    if subject:
        assert dimension.unit.format(pool.total[dimension]) in reason.text
        assert dimension.unit.format(pool.used[dimension]) in reason.text
        assert f" of {subject} " in details.remedy
