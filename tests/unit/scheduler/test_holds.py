"""Which tasks a hold keeps back, and what it says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_demand
from tesk_model.reasons import ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.charging import subjects_of
from tesk_scheduler.domain.holds import Hold, Holds, without_held
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import EVERYBODY, Subject, SubjectKind

USER, GROUP, NAMESPACE = SubjectKind.USER, SubjectKind.GROUP, SubjectKind.NAMESPACE


def hold(subject: Subject, reason: str = "why") -> Hold:
    return Hold(subject=subject, reason=reason, operator="ada", since=NOON)


def task(number: int = 1, *, owner: str = "alice", namespace: str = "a") -> QueuedTask:
    return QueuedTask(
        id=TaskId(f"t-{number}"),
        sequence=number,
        owner=owner,
        subjects=subjects_of(owner, "charged", namespace=namespace),
        demand=make_demand(),
        queued_at=NOON,
        groups=("charged", "other"),
    )


TEXTS = {
    "everybody": (EVERYBODY, "all tasks are held by an operator: why"),
    "the user": (Subject(USER, "alice"), "tasks of alice are held by an operator: why"),
    "the group that is charged": (
        Subject(GROUP, "charged"),
        "tasks of group charged are held by an operator: why",
    ),
    "another group of the owner": (
        Subject(GROUP, "other"),
        "tasks of group other are held by an operator: why",
    ),
    "the namespace": (
        Subject(NAMESPACE, "a"),
        "tasks of namespace a are held by an operator: why",
    ),
}


@pytest.mark.parametrize(("subject", "text"), TEXTS.values(), ids=list(TEXTS))
def test_a_task_is_held_by(subject: Subject, text: str) -> None:
    reason = Holds([hold(subject)]).reason(task())

    assert reason is not None
    assert (reason.code, reason.text) == (ReasonCode.HELD, text)


OTHERS = [
    Subject(USER, "bob"),
    Subject(GROUP, "alice"),
    Subject(USER, "charged"),
    Subject(NAMESPACE, "b"),
]


@pytest.mark.parametrize("subject", OTHERS)
def test_a_task_is_not_held_by_what_it_is_not_of(subject: Subject) -> None:
    assert Holds([hold(subject)]).reason(task()) is None


def test_of_several_holds_the_most_general_one_is_told() -> None:
    holds = Holds([hold(Subject(USER, "alice"), "mine"), hold(EVERYBODY, "all")])

    reason = holds.reason(task())

    assert reason is not None
    assert reason.text.endswith(": all")


@given(
    st.lists(st.tuples(st.sampled_from(["alice", "bob"]), st.sampled_from(["a", "b"]))),
    st.sets(st.sampled_from([EVERYBODY, *OTHERS, Subject(USER, "alice")])),
)
def test_what_is_left_is_what_nothing_holds_in_its_order(
    made: list[tuple[str, str]], held: set[Subject]
) -> None:
    tasks = [
        task(number, owner=owner, namespace=namespace)
        for number, (owner, namespace) in enumerate(made)
    ]
    holds = Holds([hold(each) for each in held])

    sifted = without_held([tasks], holds)

    assert [list(each) for each in sifted.queues] == [
        [each for each in tasks if holds.reason(each) is None]
    ]
    assert sifted.reasons == {
        each.id: reason for each in tasks if (reason := holds.reason(each))
    }
    assert sifted.skipped <= sifted.reasons.keys()


def test_tasks_of_a_namespace_are_passed_over_by_others_of_their_owner() -> None:
    first, second = task(1), replace(task(2, namespace="b"))

    sifted = without_held([[first, second]], Holds([hold(Subject(NAMESPACE, "a"))]))

    assert list(map(list, sifted.queues)) == [[second]]
    assert sifted.skipped == {first.id}
