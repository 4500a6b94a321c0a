import pytest

from builders.queues import (
    ALICE,
    LAB,
    admitted,
    cores,
    overdue,
    plan,
    queued,
    using,
)
from tesk_model.quantities import GIB, ByteCount
from tesk_model.reasons import ReasonCode
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Amounts,
    Limit,
    Quota,
    Share,
    Subject,
    SubjectKind,
    Usage,
)

REASONS: dict[str, tuple[QueuedTask, Quota, dict[Subject, Usage], str]] = {
    "the user's cpu": (
        queued("alice-1"),
        Quota(users={"*": cores(8)}),
        {ALICE: using(8)},
        "alice: 8 of 8 cpu in use",
    ),
    "the user's cpu, some of it free": (
        queued("alice-1", cpu=2),
        Quota(users={"*": cores(8)}),
        {ALICE: using(6.5)},
        "alice: 6.5 of 8 cpu in use, 2 needed",
    ),
    "the user's limit was lowered": (
        queued("alice-1"),
        Quota(users={"*": cores(4)}),
        {ALICE: using(8)},
        "alice: 8 of 4 cpu in use",
    ),
    "the user's tasks": (
        queued("alice-1"),
        Quota(users={"*": Limit(running=3)}),
        {ALICE: using(3, running=3)},
        "alice: 3 of 3 tasks running",
    ),
    "the group's tasks": (
        queued("alice-1", group="genomics"),
        Quota(groups={"genomics": Limit(running=50)}),
        {Subject(SubjectKind.GROUP, "genomics"): using(9, running=50)},
        "group genomics: 50 of 50 tasks running",
    ),
    "all tasks": (
        queued("alice-1"),
        Quota(everybody=Limit(running=9)),
        {EVERYBODY: using(9, running=9)},
        "all tasks: 9 of 9 tasks running",
    ),
    "all tasks of a service without authentication": (
        queued("-1"),
        Quota(users={"*": cores(8)}),
        {Subject(SubjectKind.USER, ""): using(8)},
        "all tasks: 8 of 8 cpu in use",
    ),
    "cores": (
        queued("alice-1", cpu=4),
        Quota(capacity=cores(8)),
        {EVERYBODY: using(6)},
        "waiting for 4 cpu: 2 free",
    ),
    "memory": (
        queued("alice-1", ram=16),
        Quota(capacity=Limit(ram=ByteCount(64 * GIB))),
        {EVERYBODY: using(1, ram=60.5)},
        "waiting for 16 GiB memory: 3.5 GiB free",
    ),
    "less than nothing is free": (
        queued("alice-1", cpu=4),
        Quota(capacity=cores(4)),
        {EVERYBODY: using(6)},
        "waiting for 4 cpu: 0 free",
    ),
    "places": (
        queued("alice-1"),
        Quota(capacity=Limit(running=2)),
        {EVERYBODY: using(2, running=2)},
        "waiting for a free place: 2 of 2 tasks running",
    ),
    "what is never free beside what is kept": (
        queued("alice-1", cpu=6),
        Quota(
            capacity=cores(8),
            shares={LAB: Share(guaranteed=Amounts(cpu_millis=4000), lending=cores(0))},
        ),
        {},
        (
            "can never run: resources.cpu_cores: 6 exceeds the 4 cores that there are"
            " beside 4 kept for guaranteed shares of others"
        ),
    ),
    "what can never be": (
        queued("alice-1", cpu=64),
        Quota(per_task=cores(8)),
        {},
        "can never run: resources.cpu_cores: 64 exceeds the 8 cores that one task may use",
    ),
}


@pytest.mark.parametrize(
    ("task", "quota", "usage", "want"), REASONS.values(), ids=REASONS
)
def test_a_task_that_waits_says_for_what(
    task: QueuedTask, quota: Quota, usage: dict[Subject, Usage], want: str
) -> None:
    decision = plan([task], quota=quota, usage=usage)

    assert admitted(decision) == []
    assert decision.reasons[task.id].text == want


def test_the_code_tells_a_limit_from_what_there_is() -> None:
    limited = plan([queued("alice-1")], quota=Quota(users={"*": cores(0.5)}))
    lowered = limited.reasons[queued("alice-1").id]
    full = plan(
        [queued("alice-1")],
        [queued("bob-1")],
        quota=Quota(users={"alice": cores(8)}, capacity=cores(8)),
        usage={EVERYBODY: using(8), ALICE: using(8)},
    )

    assert lowered.code is ReasonCode.LIMIT_EXCEEDED
    assert [reason.code for reason in full.reasons.values()] == [
        ReasonCode.QUOTA_FULL,
        ReasonCode.CAPACITY_FULL,
    ]


def test_usage_is_reported_before_reservations() -> None:
    big = queued("alice-1", cpu=4)
    other = queued("bob-2", ram=4)

    decision = plan(
        [big],
        [other],
        quota=Quota(capacity=Limit(cpu_millis=4000, ram=ByteCount(4 * GIB))),
        usage={EVERYBODY: using(1, ram=2)},
        memory=overdue(big),
    )

    assert decision.reasons[other.id].text == "waiting for 4 GiB memory: 2 GiB free"
