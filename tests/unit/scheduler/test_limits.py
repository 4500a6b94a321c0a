import pytest

from tesk_model.quantities import GIB, ByteCount
from tesk_scheduler.domain.charging import charged_subjects
from tesk_scheduler.domain.limits import (
    executor_problems,
    queue_problems,
    submission_problems,
)
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Amounts,
    Demand,
    Limit,
    Quota,
    Share,
    Subject,
    SubjectKind,
    TaskLimits,
    Usage,
)

ALICE = Subject(SubjectKind.USER, "alice")
BOB = Subject(SubjectKind.USER, "bob")
NOBODY = Subject(SubjectKind.USER, "")
LAB = Subject(SubjectKind.GROUP, "lab")


CLINIC = Subject(SubjectKind.GROUP, "clinic")


def keeping(guaranteed: float, *, lending: float = 0) -> Share:
    """Return a share of so many cores that lends others so many."""
    return Share(guaranteed=cores_of(guaranteed), lending=cores(lending))


def cores_of(count: float) -> Amounts:
    return Amounts(cpu_millis=round(count * 1000))


def make_demand(*, cpu: float = 1, ram: float = 1, disk: float = 0) -> Demand:
    return Demand(
        cpu_millis=round(cpu * 1000),
        ram=ByteCount(round(ram * GIB)),
        disk=ByteCount(round(disk * GIB)),
    )


def cores(count: float) -> Limit:
    return Limit(cpu_millis=round(count * 1000))


PROBLEMS: dict[str, tuple[Demand, Quota, list[str]]] = {
    "no limits": (make_demand(cpu=10_000, ram=1e6, disk=1e6), Quota(), []),
    "exactly the limit": (
        make_demand(cpu=8, ram=16, disk=100),
        Quota(
            per_task=Limit(
                cpu_millis=8000, ram=ByteCount(16 * GIB), disk=ByteCount(100 * GIB)
            )
        ),
        [],
    ),
    "more than one task may": (
        make_demand(cpu=64),
        Quota(per_task=cores(8)),
        ["resources.cpu_cores: 64 exceeds the 8 cores that one task may use"],
    ),
    "more than the user may": (
        make_demand(cpu=64),
        Quota(users={"*": cores(16)}),
        ["resources.cpu_cores: 64 exceeds the 16 cores that alice may use"],
    ),
    "more than the group may": (
        make_demand(disk=2.5),
        Quota(groups={"lab": Limit(disk=ByteCount(GIB // 2))}),
        ["resources.disk_gb: 2.5 exceeds the 0.5 GiB of disk that group lab may use"],
    ),
    "more than all may": (
        make_demand(cpu=64),
        Quota(everybody=cores(32)),
        [
            "resources.cpu_cores: 64 exceeds the 32 cores that all tasks together may use"
        ],
    ),
    "more cores than there are": (
        make_demand(cpu=2),
        Quota(capacity=cores(1)),
        ["resources.cpu_cores: 2 exceeds the 1 core that there is"],
    ),
    "more memory than there is": (
        make_demand(ram=512),
        Quota(capacity=Limit(ram=ByteCount(64 * GIB))),
        ["resources.ram_gb: 512 exceeds the 64 GiB of memory that there is"],
    ),
    "several limits: the tightest of each field": (
        make_demand(cpu=64, ram=64),
        Quota(
            per_task=Limit(cpu_millis=32_000, ram=ByteCount(8 * GIB)),
            users={"alice": cores(16)},
            capacity=Limit(cpu_millis=2000, ram=ByteCount(16 * GIB)),
        ),
        [
            "resources.cpu_cores: 64 exceeds the 2 cores that there are",
            "resources.ram_gb: 64 exceeds the 8 GiB of memory that one task may use",
        ],
    ),
    "more than is ever free beside what is kept": (
        make_demand(cpu=6),
        Quota(capacity=cores(8), shares={CLINIC: keeping(4)}),
        [
            (
                "resources.cpu_cores: 6 exceeds the 4 cores that there are"
                " beside 4 kept for guaranteed shares of others"
            )
        ],
    ),
    "what is kept of what all tasks may use": (
        make_demand(cpu=6),
        Quota(everybody=cores(8), shares={CLINIC: keeping(3), BOB: keeping(1)}),
        [
            (
                "resources.cpu_cores: 6 exceeds the 5 cores that all tasks together may use"
                " beside 3 kept for guaranteed shares of others"
            )
        ],
    ),
    "more is kept than there is": (
        make_demand(cpu=1),
        Quota(capacity=cores(2), shares={CLINIC: keeping(4)}),
        [
            (
                "resources.cpu_cores: 1 exceeds the 0 cores that there are"
                " beside 4 kept for guaranteed shares of others"
            )
        ],
    ),
    "what is kept for its own group": (
        make_demand(cpu=6),
        Quota(capacity=cores(8), groups={"lab": Limit()}, shares={LAB: keeping(4)}),
        [],
    ),
    "what others lend": (
        make_demand(cpu=6),
        Quota(capacity=cores(8), shares={CLINIC: keeping(4, lending=2)}),
        [],
    ),
    "a user who may not run tasks": (
        make_demand(),
        Quota(users={"alice": Limit(running=0)}),
        ["alice may not run tasks"],
    ),
    "a user who may not even queue": (
        make_demand(),
        Quota(users={"alice": Limit(queued=0)}),
        ["alice may not queue tasks"],
    ),
    "a group that may not run tasks": (
        make_demand(),
        Quota(groups={"lab": Limit(running=0)}),
        ["group lab may not run tasks"],
    ),
    "no user may": (
        make_demand(),
        Quota(everybody=Limit(running=0, queued=0)),
        ["no tasks are accepted", "no tasks are run"],
    ),
}


@pytest.mark.parametrize(("demand", "quota", "want"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_task_that_can_never_run_is_refused_with_the_limit(
    demand: Demand, quota: Quota, want: list[str]
) -> None:
    subjects = charged_subjects("alice", ("lab",), quota)

    assert [str(each) for each in submission_problems(demand, subjects, quota)] == want


def test_a_service_without_authentication_names_no_user() -> None:
    quota = Quota(users={"*": Limit(cpu_millis=1000)})

    problems = submission_problems(
        make_demand(cpu=2), charged_subjects("", (), quota), quota
    )

    assert [problem.message for problem in problems] == [
        "2 exceeds the 1 core that all tasks together may use"
    ]


QUEUES: dict[str, tuple[tuple[Subject, ...], dict[Subject, Usage], str | None]] = {
    "room": ((ALICE, EVERYBODY), {ALICE: Usage(queued=9)}, None),
    "unknown to the counters": ((ALICE, EVERYBODY), {}, None),
    "running tasks do not count": (
        (ALICE, EVERYBODY),
        {ALICE: Usage(running=99)},
        None,
    ),
    "the user's queue is full": (
        (ALICE, EVERYBODY),
        {ALICE: Usage(queued=10)},
        "alice has 10 of 10 tasks queued",
    ),
    "more than full, as the limit was lowered": (
        (ALICE, EVERYBODY),
        {ALICE: Usage(queued=12)},
        "alice has 12 of 10 tasks queued",
    ),
    "the group's queue is full": (
        (ALICE, LAB, EVERYBODY),
        {LAB: Usage(queued=15)},
        "group lab has 15 of 15 tasks queued",
    ),
    "the queue of all is full": (
        (ALICE, EVERYBODY),
        {EVERYBODY: Usage(queued=20)},
        "20 of 20 tasks are queued",
    ),
    "a user without a name": (
        (NOBODY, EVERYBODY),
        {NOBODY: Usage(queued=10)},
        "10 of 10 tasks are queued",
    ),
}


@pytest.mark.parametrize(("subjects", "usage", "want"), QUEUES.values(), ids=QUEUES)
def test_a_full_queue_is_told(
    subjects: tuple[Subject, ...], usage: dict[Subject, Usage], want: str | None
) -> None:
    quota = Quota(
        users={"*": Limit(queued=10)},
        groups={"lab": Limit(queued=15)},
        everybody=Limit(queued=20),
    )

    assert queue_problems([subjects], usage, quota) == [want]


def test_tasks_of_a_batch_count_for_those_after_them() -> None:
    quota = Quota(users={"*": Limit(queued=2)}, everybody=Limit(queued=4))
    usage = {ALICE: Usage(queued=1), EVERYBODY: Usage(queued=1)}
    batch = [(owner, EVERYBODY) for owner in (ALICE, ALICE, BOB, BOB, BOB, ALICE)]

    verdicts = queue_problems(batch, usage, quota)

    assert verdicts == [
        None,
        "alice has 2 of 2 tasks queued",
        None,
        None,
        "bob has 2 of 2 tasks queued",
        "alice has 2 of 2 tasks queued",
    ]


def test_a_refused_task_takes_no_place() -> None:
    quota = Quota(users={"*": Limit(queued=1)}, everybody=Limit(queued=2))
    batch = [(owner, EVERYBODY) for owner in (ALICE, ALICE, ALICE, BOB)]

    assert queue_problems(batch, {}, quota)[3] is None


TYPED: dict[str, tuple[Quota, str]] = {
    "one task": (
        Quota(task=TaskLimits(gpu_types={"a100": 1})),
        "2 exceeds the 1 GPU of type a100 that one task may use",
    ),
    "the user": (
        Quota(users={"alice": Limit()}, gpu_types={ALICE: {"a100": 1}}),
        "2 exceeds the 1 GPU of type a100 that alice may use",
    ),
    "the capacity": (
        Quota(capacity_gpu_types={"a100": 1}),
        "2 exceeds the 1 GPU of type a100 that there is",
    ),
    "GPUs of any type are fewer": (
        Quota(per_task=Limit(gpu=1), task=TaskLimits(gpu_types={"a100": 2})),
        "2 exceeds the 1 GPU that one task may use",
    ),
    "the namespace": (
        Quota(namespaces={"*": Limit(gpu=1)}),
        "2 exceeds the 1 GPU that namespace team-a may use",
    ),
}


@pytest.mark.parametrize(("quota", "want"), TYPED.values(), ids=TYPED)
def test_more_gpus_than_anybody_may_have_are_refused(quota: Quota, want: str) -> None:
    subjects = charged_subjects("alice", (), quota, namespace="team-a", gpu_type="a100")

    (problem,) = submission_problems(Demand(gpu=2), subjects, quota)

    assert problem.path == "resources.backend_parameters.gpu"
    assert problem.message == want
    assert not submission_problems(Demand(), subjects, quota)


def test_a_task_may_have_so_many_executors() -> None:
    quota = Quota(task=TaskLimits(executors=2))

    assert executor_problems(2, quota) == []
    (problem,) = executor_problems(3, quota)
    assert str(problem) == "executors: 3 exceeds the 2 executors that one task may have"
