"""The capacity of a cluster, and the reasons that it is full."""

import pytest

from builders.queues import NOW, queued
from builders.scheduler_tasks import make_demand
from tesk_model.quantities import GIB, ByteCount
from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    plan_admissions,
)
from tesk_scheduler.domain.capacity import (
    Capacity,
    OwnPods,
    TaskmasterCounts,
    cluster_capacity,
    with_gpu_types,
)
from tesk_scheduler.domain.charging import charged_subjects
from tesk_scheduler.domain.quota import (
    Amounts,
    Demand,
    Limit,
    Quota,
    Share,
    Subject,
    SubjectKind,
    Usage,
)
from tesk_scheduler.domain.room import Room

ANY_USER = Subject(SubjectKind.USER, "*")
NODE = Limit(cpu_millis=2000, ram=8 * GIB, running=100)
NOBODY = TaskmasterCounts(count=0, free=0, slots=2)
OWN = OwnPods(
    taskmaster=make_demand(cpu_millis=100, ram=ByteCount(GIB)),
    filer=make_demand(cpu_millis=250, ram=ByteCount(0)),
)


def capacity(
    *nodes: Limit,
    known: bool = True,
    given: Limit | None = None,
    bound: Limit | None = None,
    taskmasters: TaskmasterCounts = NOBODY,
    committed: Usage | None = None,
) -> Capacity:
    """Return the room of a cluster of these nodes."""
    return cluster_capacity(
        nodes if known else None,
        given=given or Limit(),
        bound=bound or Limit(),
        own=OWN,
        taskmasters=taskmasters,
        committed=committed or Usage(),
    )


def plan(cluster: Capacity, *names: str, cpu: float = 0.5) -> AdmissionPlan:
    """Decide about tasks of alice that ask for so many cores."""
    return plan_admissions(
        queues=[[queued(name, cpu=cpu) for name in names]],
        usage={},
        quota=Quota(),
        now=NOW,
        memory=AdmissionMemory(),
        cluster=cluster,
    )


def admitted(cluster: Capacity, count: int, *, cpu: float = 0.5) -> int:
    """Count the tasks of those that may start."""
    names = [f"alice-{number}" for number in range(count)]
    return len(plan(cluster, *names, cpu=cpu).admitted)


def test_nodes_add_up_and_the_pods_of_taskmasters_count() -> None:
    taskmasters = TaskmasterCounts(count=2, free=1, slots=2)
    committed = Usage(running=3, cpu_millis=1500, ram=ByteCount(GIB))

    found = capacity(NODE, NODE, taskmasters=taskmasters, committed=committed)

    assert found.total == Limit(running=200, cpu_millis=4000, ram=16 * GIB)
    assert found.used == Amounts(running=5, cpu_millis=1700, ram=3 * GIB)


def test_tasks_start_as_they_fit_beside_the_taskmasters_that_they_need() -> None:
    # Three tasks need two taskmasters: 1500 + 200; a fourth would make 2200.
    assert admitted(capacity(NODE), 9) == 3
    two = TaskmasterCounts(count=1, free=2, slots=2)
    assert admitted(capacity(NODE, taskmasters=two), 9) == 3
    full = TaskmasterCounts(count=3, free=0, slots=2)
    assert admitted(capacity(NODE, taskmasters=full), 9) == 3
    many = TaskmasterCounts(count=6, free=0, slots=2)
    assert admitted(capacity(NODE, taskmasters=many), 9) == 2


def test_a_small_task_counts_for_its_filer() -> None:
    assert admitted(capacity(NODE), 40, cpu=0.001) == 6


def test_the_number_of_pods_counts() -> None:
    node = Limit(cpu_millis=64_000, ram=64 * GIB, running=7)

    decision = plan(capacity(node), *(f"alice-{number}" for number in range(9)))

    assert len(decision.admitted) == 4  # and two taskmasters; a fifth needs a third
    text = "waiting for room in the cluster: its nodes take no more pods"
    assert decision.reasons == {"alice-4": Reason(ReasonCode.CAPACITY_FULL, text)}


def test_waiting_tasks_report_that_the_cluster_is_full() -> None:
    decision = plan(capacity(NODE), *(f"alice-{number}" for number in range(5)))

    text = "waiting for room in the cluster: 0.5 cpu needed, 0.3 free"
    assert decision.reasons == {"alice-3": Reason(ReasonCode.CAPACITY_FULL, text)}


MISFITS: dict[str, tuple[Capacity, float, str]] = {
    "a node without a taskmaster's room": (
        capacity(NODE),
        1.95,
        "waiting for a larger node: 1.95 cpu needed, the largest has 1.9 for a task",
    ),
    "many small nodes": (
        capacity(NODE, NODE, NODE),
        4,
        "waiting for a larger node: 4 cpu needed, the largest has 1.9 for a task",
    ),
    "what the settings say is less": (
        capacity(NODE, given=Limit(cpu_millis=1000)),
        1,
        "waiting for a larger node: 1 cpu needed, the largest has 0.9 for a task",
    ),
    "a full node": (
        capacity(Limit(cpu_millis=-100, ram=-1, running=9)),
        0.5,
        "waiting for a larger node: 0.5 cpu needed, the largest has 0 for a task",
    ),
    "no node that has both": (
        capacity(
            Limit(cpu_millis=2000, ram=GIB, running=9),
            Limit(cpu_millis=250, ram=9 * GIB, running=9),
        ),
        0.5,
        "waiting for a larger node: none has enough of everything",
    ),
}


@pytest.mark.parametrize(("cluster", "cpu", "want"), MISFITS.values(), ids=MISFITS)
def test_a_task_that_no_node_could_hold_waits_and_holds_up_no_other(
    cluster: Capacity, cpu: float, want: str
) -> None:
    big = queued("alice-0", cpu=cpu, ram=1 if "everything" in want else 0)
    small = queued("alice-1", cpu=0.1)

    decision = plan_admissions(
        queues=[[big, small]],
        usage={},
        quota=Quota(),
        now=NOW,
        memory=AdmissionMemory(),
        cluster=cluster,
    )

    assert decision.reasons[big.id] == Reason(ReasonCode.NODES_TOO_SMALL, want)
    assert cluster.misfit(small.demand) or decision.admitted == [small]


def test_while_there_is_no_node_all_wait_in_their_order() -> None:
    decision = plan(capacity(), "alice-0", "alice-1")

    # None is skipped: that would read all queues every second.
    text = "waiting for a node: none is ready for tasks"
    assert decision.reasons == {"alice-0": Reason(ReasonCode.NODES_NOT_READY, text)}
    assert not decision.skipped
    assert "alice-0" in decision.memory.waits.shared


def test_nodes_that_are_not_known_hold_the_tasks_of_one_taskmaster() -> None:
    assert admitted(capacity(known=False), 40, cpu=64) == 2
    one = TaskmasterCounts(count=1, free=1, slots=2)
    busy = Usage(running=1, cpu_millis=64_000)
    assert admitted(capacity(known=False, taskmasters=one, committed=busy), 40) == 1


def test_settings_replace_an_unknown_capacity() -> None:
    given = Limit(cpu_millis=1800, ram=ByteCount(64 * GIB))

    assert admitted(capacity(known=False, given=given), 40) == 3
    assert admitted(capacity(NODE, given=given), 40) == 3
    assert admitted(capacity(NODE, given=Limit(cpu_millis=64_000)), 40) == 16


def test_disk_counts_only_if_the_settings_say_how_much_there_is() -> None:
    demand = make_demand(cpu_millis=1, ram=ByteCount(0), disk=ByteCount(99 * GIB))

    assert capacity(NODE).misfit(demand) is None
    misfit = capacity(NODE, given=Limit(disk=ByteCount(GIB))).misfit(demand)
    text = "waiting for a larger node: none has enough of everything"
    assert misfit == Reason(ReasonCode.NODES_TOO_SMALL, text)


def test_quotas_bound_the_whole_cluster() -> None:
    few = capacity(NODE, bound=Limit(running=5))
    little = capacity(known=False, bound=Limit(cpu_millis=1300, ram=ByteCount(0)))

    assert admitted(few, 40, cpu=0.1) == 3
    assert admitted(little, 40) == 0


def test_an_overcommitted_node_takes_nothing_from_the_others() -> None:
    full = Limit(cpu_millis=-1500, ram=-1, running=-3)

    assert capacity(NODE, full).total == capacity(NODE).total


A100S = Limit(cpu_millis=8000, ram=64 * GIB, running=100, gpu=4)


def with_gpus(used: int = 0) -> Capacity:
    """Return a cluster with a node of four A100, and one without any."""
    plain = Limit(**{**NODE.named(), "queued": None, "disk": None, "gpu": 0})
    return with_gpu_types(
        capacity(plain, A100S, committed=Usage(gpu=used)),
        {"a100": [A100S], "t4": []},
        given={},
        used={"a100": used},
    )


def needs(gpu: int, gpu_type: str) -> tuple[tuple[Subject, ...], Demand]:
    subjects = charged_subjects("alice", (), Quota(), gpu_type=gpu_type)
    return subjects, make_demand(gpu=gpu)


def test_gpus_of_a_type_bound_what_starts() -> None:
    room = Room({}, Quota(), with_gpus(used=2))

    assert room.blocker(*needs(2, "a100")) is None
    room.take(*needs(2, "a100"))
    blocker = room.blocker(*needs(1, "a100"))

    assert blocker is not None
    assert blocker.reason.code is ReasonCode.CAPACITY_FULL


def test_any_gpus_and_those_of_a_type_share_what_there_is() -> None:
    room = Room({}, Quota(), with_gpus())

    room.take(*needs(3, ""))

    assert room.blocker(*needs(1, "a100")) is None
    assert room.blocker(*needs(2, "a100")) is not None


GPU_MISFITS: dict[str, tuple[int, str, str | None]] = {
    "as many as a node has": (4, "a100", None),
    "more than a node has": (
        5,
        "a100",
        "waiting for a larger node with GPUs of type a100: 5 gpu needed, the largest",
    ),
    "a type of which there is none": (
        1,
        "t4",
        "waiting for a larger node with GPUs of type t4: 1 gpu needed, the largest",
    ),
    "a type that nobody knows": (1, "h100", None),
    "any": (5, "", "waiting for a larger node: 5 gpu needed, the largest has 4 for"),
}


@pytest.mark.parametrize(
    ("count", "gpu_type", "want"), GPU_MISFITS.values(), ids=GPU_MISFITS
)
def test_gpus_that_no_node_has_are_told(
    count: int, gpu_type: str, want: str | None
) -> None:
    demand = make_demand(ram=ByteCount(GIB), gpu=count)
    found = with_gpus().misfit(demand, gpu_type)

    assert found is None if want is None else found and found.text.startswith(want)


def test_a_limit_by_type_names_the_type() -> None:
    alice = Subject(SubjectKind.USER, "alice")
    quota = Quota(users={"*": Limit()}, gpu_types={ANY_USER: {"a100": 2}})
    used = {alice._replace(gpu_type="a100"): Usage(gpu=1)}

    blocker = Room(used, quota).blocker(*needs(2, "a100"))

    assert blocker is not None
    assert blocker.reason.text == ("alice: 1 of 2 gpu of type a100 in use, 2 needed")
    assert Room(used, quota).blocker(*needs(2, "t4")) is None


def test_what_is_guaranteed_is_kept_in_a_cluster_as_well() -> None:
    bob = Subject(SubjectKind.USER, "bob")
    share = Share(guaranteed=Amounts(cpu_millis=1000), lending=Limit(cpu_millis=0))
    quota = Quota(shares={bob: share})
    free = TaskmasterCounts(count=0, free=4, slots=4)
    room = Room({}, quota, capacity(NODE, taskmasters=free))
    alice, others = (charged_subjects(name, (), quota) for name in ("alice", "bob"))

    room.take(alice, make_demand(cpu_millis=1000))
    blocker = room.blocker(alice, make_demand(cpu_millis=250))

    assert blocker is not None
    assert blocker.reason.code is ReasonCode.GUARANTEE_KEPT
    assert room.blocker(others, make_demand(cpu_millis=1000)) is None
