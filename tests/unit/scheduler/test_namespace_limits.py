"""A namespace of tasks has limits of its own."""

from dataclasses import replace

from builders.queues import ALICE, admitted, plan, queued
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Limit,
    Order,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)

FULL, OTHER = (Subject(SubjectKind.NAMESPACE, name) for name in ("full", "other"))
QUOTA = Quota(namespaces={"full": Limit(running=1), "*": Limit(running=2)})
USAGE = {FULL: Usage(running=1)}


def task(number: int, namespace: Subject) -> QueuedTask:
    one = queued(f"alice-{number}")
    return replace(one, subjects=(ALICE, namespace, EVERYBODY))


def test_tasks_of_a_full_namespace_wait_and_others_of_their_owner_pass() -> None:
    tasks = [task(1, FULL), *(task(number, OTHER) for number in (2, 3, 4))]

    decision = plan(tasks, quota=QUOTA, usage=USAGE)

    assert admitted(decision) == ["alice-2", "alice-3"]
    assert decision.reasons[tasks[0].id].text == (
        "namespace full: 1 of 1 tasks running"
    )


def test_in_strict_order_nothing_passes() -> None:
    strict = replace(QUOTA, order=Order.STRICT)

    decision = plan([task(1, FULL), task(2, OTHER)], quota=strict, usage=USAGE)

    assert admitted(decision) == []
