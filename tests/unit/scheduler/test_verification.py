"""Whatever the counters say, verification finds and repairs what is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from builders.scheduler_tasks import NOON, make_demand, make_new_task
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.databases import sqlite_database
from tesk_kubernetes.api import JOBS, SECRETS, VOLUME_CLAIMS, JsonObject
from tesk_kubernetes.labels import attempt_labels, common_labels
from tesk_model.errors import ConflictError
from tesk_model.names import Attempt
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.kubernetes.task_objects import ClusterTaskObjects
from tesk_scheduler.adapters.store.schema import STATE_NUMBERS
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.quota import EVERYBODY, Limit, Usage
from tesk_scheduler.domain.transitions import admitted, with_state
from tesk_scheduler.domain.verification import FindingKind, is_left_over
from tesk_scheduler.ports.launcher import LaunchError
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.ports.task_objects import NoTaskObjects, TaskObjects
from tesk_scheduler.usecases.admin.stranded_tasks import StrandedTasks
from tesk_scheduler.usecases.admin.verification import Verification
from tesk_scheduler.usecases.notifier import LeaderWakeup

RULES = AttemptRules(most_of=lambda _: Limit())
COLUMNS = [each.column for each in DIMENSIONS]
OWNERS = ["alice", "bob", "eve"]
STATES = [TaskState.QUEUED, TaskState.INITIALIZING, TaskState.RUNNING]
TASKS = st.lists(
    st.tuples(
        st.sampled_from(OWNERS),
        st.sampled_from([None, "g", "h"]),
        st.sampled_from([*STATES, TaskState.COMPLETE]),
        st.integers(1, 9),
    ),
    max_size=6,
)
WRONG = st.lists(
    st.tuples(
        st.sampled_from(
            [("user", "alice"), ("group", "g"), ("all", ""), ("user", "x")]
        ),
        st.sampled_from(COLUMNS),
        st.integers(-5, 5).filter(bool),
    ),
    max_size=4,
)
UPSERT = """
INSERT INTO usage (kind, name, {columns}) VALUES (:kind, :name, {zeros})
ON CONFLICT (kind, name) DO UPDATE SET {column} = usage.{column} + :by
"""


@contextmanager
def opened(folder: Path) -> Iterator[tuple[SqlTaskStore, str]]:
    """Open an empty store."""
    for each in folder.glob("tesk.db*"):
        each.unlink()
    url = sqlite_database(folder / "tesk.db")
    store = SqlTaskStore.open(url)
    try:
        yield store, url
    finally:
        store.close()


def verification(
    store: SqlTaskStore,
    *,
    launcher: FakeLauncher | None = None,
    objects: TaskObjects | None = None,
) -> Verification:
    clock = FrozenClock(NOON)
    return Verification(
        store=store,
        launcher=launcher or FakeLauncher(),
        objects=objects or NoTaskObjects(),
        clock=clock,
        stranded=StrandedTasks(
            store=store, clock=clock, rules=lambda: RULES, leader=LeaderWakeup()
        ),
    )


def fill(
    store: SqlTaskStore, tasks: list[tuple[str, str | None, TaskState, int]]
) -> None:
    """Bring tasks into their states."""
    new = [
        make_new_task(
            f"t-{number}",
            owner=owner,
            group=group,
            demand=make_demand(cpu_millis=1000 * cores),
        )
        for number, (owner, group, _, cores) in enumerate(tasks)
    ]
    store.write(lambda tx: tx.add_tasks(new))

    def move(tx: Transaction) -> None:
        records = tx.records([each.id for each in new])
        for number, (_, _, state, _) in enumerate(tasks):
            record = records[TaskId(f"t-{number}")]
            for wanted in (
                STATES[1 : STATES.index(state) + 1] if state in STATES else ()
            ):
                after = (
                    admitted(record, "tm-1", NOON)
                    if wanted is TaskState.INITIALIZING
                    else with_state(record, wanted, NOON)
                )
                tx.save(record, after)
                record = after
            if state is TaskState.COMPLETE:
                tx.save(record, with_state(record, TaskState.CANCELED, NOON))

    store.write(move)


def corrupt(url: str, wrong: list[tuple[tuple[str, str], str, int]]) -> None:
    """Change counters behind the store's back."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for (kind, name), column, by in wrong:
            zeros = ", ".join(":by" if each == column else "0" for each in COLUMNS)
            statement = UPSERT.format(
                columns=", ".join(COLUMNS), zeros=zeros, column=column
            )
            connection.execute(text(statement), {"kind": kind, "name": name, "by": by})
    engine.dispose()


@given(tasks=TASKS, wrong=WRONG)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_wrong_counter_is_found_and_repaired(
    tmp_path: Path,
    tasks: list[tuple[str, str | None, TaskState, int]],
    wrong: list[tuple[tuple[str, str], str, int]],
) -> None:
    with opened(tmp_path) as (store, url):
        fill(store, tasks)
        check = verification(store)
        right = store.usage_of_all()
        nothing = check.verify("ada", fix=False, cluster=True)
        corrupt(url, wrong)
        broken = store.usage_of_all() != right and any(
            any(store.usage_of_all()[subject]) or subject in right
            for subject in store.usage_of_all()
            if store.usage_of_all()[subject] != right.get(subject)
        )

        found = check.verify("ada", fix=False, cluster=False)
        fixed = check.verify("ada", fix=True, cluster=False)
        after = check.verify("ada", fix=False, cluster=False)

        assert nothing == after == []
        assert bool(found) == broken
        assert [each.name for each in fixed] == [each.name for each in found]
        assert all(each.fixed for each in fixed)
        for subject, used in store.usage_of_all().items():
            assert used == right.get(subject, used)
            assert subject in right or not any(used)


def test_a_counter_that_cannot_be_read_is_named_and_deleted(tmp_path: Path) -> None:
    with opened(tmp_path) as (store, url):
        fill(store, [("alice", "g", TaskState.RUNNING, 1)])
        right = store.usage_of_all()
        corrupt(url, [(("galaxy", "x"), "running", 1), (("user", "x"), "running", 1)])
        check = verification(store)

        found = check.verify("ada", fix=False, cluster=False)
        fixed = check.verify("ada", fix=True, cluster=False)

        assert [(each.kind, each.name) for each in found] == [
            (FindingKind.USAGE, "x"),
            (FindingKind.USAGE_UNREADABLE, "galaxy x"),
        ]
        assert fixed == [replace(each, fixed=True) for each in found]
        assert check.verify("ada", fix=False, cluster=False) == []
        assert store.usage_of_all() == right


STRANDED = {
    TaskState.INITIALIZING: TaskState.QUEUED,
    TaskState.RUNNING: TaskState.QUEUED,
    TaskState.CANCELING: TaskState.CANCELED,
}


@pytest.mark.parametrize(("state", "want"), STRANDED.items(), ids=list(STRANDED))
def test_a_task_in_progress_that_nobody_has_is_freed(
    tmp_path: Path, state: TaskState, want: TaskState
) -> None:
    with opened(tmp_path) as (store, url):
        fill(store, [("alice", "g", TaskState.QUEUED, 1)])
        strand(url, state)
        check = verification(store)

        found = check.verify("ada", fix=False, cluster=False)
        fixed = check.verify("ada", fix=True, cluster=False)

        kinds = {each.kind for each in found}
        assert kinds == {FindingKind.USAGE, FindingKind.TASK_STRANDED}
        assert fixed == [replace(each, fixed=True) for each in found]
        assert check.verify("ada", fix=False, cluster=False) == []
        record = store.record(TaskId("t-0"))
        assert record is not None
        assert record.state is want
        queued = int(want is TaskState.QUEUED)
        assert store.usage_of_all()[EVERYBODY] == Usage(queued=queued)
        assert len(store.queues(9)) == queued


def strand(url: str, state: TaskState) -> None:
    """Put all tasks into a state behind the store's back."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE task SET state = :state"), {"state": STATE_NUMBERS[state]}
        )
    engine.dispose()


LEFT = {
    "the task is unknown": (1, None, True),
    "it runs": (2, (2, False), False),
    "it was released": (2, (2, True), True),
    "a later attempt runs": (1, (2, False), True),
    "the database was replaced by an older one": (3, (2, False), True),
}


@pytest.mark.parametrize(("number", "known", "want"), LEFT.values(), ids=list(LEFT))
def test_objects_are_left_over_when(
    number: int, known: tuple[int, bool] | None, want: bool
) -> None:
    assert is_left_over(Attempt(TaskId("t"), number), known) is want


def make_object(kind: str, attempt: Attempt, *, name: str = "") -> JsonObject:
    return {
        "kind": kind,
        "metadata": {
            "name": name or attempt.name,
            "namespace": "n",
            "labels": {**common_labels("tesk", "task"), **attempt_labels(attempt)},
        },
    }


def test_what_tasks_left_in_a_cluster_is_found_and_removed(tmp_path: Path) -> None:
    api = FakeKubernetesApi()
    objects = ClusterTaskObjects(api=api, namespaces=["n"], instance="tesk")
    runs, gone = Attempt(TaskId("t-0"), 1), Attempt(TaskId("lost"), 1)
    for attempt in (runs, gone):
        api.create(SECRETS, "n", make_object("Secret", attempt))
        api.create(VOLUME_CLAIMS, "n", make_object("PersistentVolumeClaim", attempt))
        name = f"{attempt.name}-x0"
        api.create(JOBS, "n", make_object("Job", attempt, name=name))
    with opened(tmp_path) as (store, _):
        fill(store, [("alice", None, TaskState.RUNNING, 1)])
        store.write(lambda tx: tx.acquire_lead("a", now=NOON, until=NOON, force=True))
        check = verification(store, objects=objects)

        found = check.verify("ada", fix=False, cluster=True)
        fixed = check.verify("ada", fix=True, cluster=True)
        after = check.verify("ada", fix=False, cluster=True)

    names = ["Job n/tesk-lost-a1-x0", "PersistentVolumeClaim n/tesk-lost-a1"]
    assert [each.name for each in found] == [each.name for each in fixed] == names
    assert (after, all(each.fixed for each in fixed)) == ([], True)
    assert api.get(SECRETS, "n", gone.name) is None
    assert api.get(SECRETS, "n", runs.name) is not None
    assert api.get(JOBS, "n", f"{runs.name}-x0") is not None


def test_what_cannot_be_read_is_told_and_is_no_agreement(tmp_path: Path) -> None:
    class Fails(FakeLauncher):
        def alive(self) -> set[str]:
            raise LaunchError("no answer")

    with opened(tmp_path) as (store, _):
        (found,) = verification(store, launcher=Fails()).verify(
            "ada", fix=False, cluster=True
        )

    assert (found.kind, found.text) == (FindingKind.NOT_CHECKED, "no answer")


def test_a_taskmaster_that_does_not_run_is_told_with_when_it_is_replaced(
    tmp_path: Path,
) -> None:
    clock = FrozenClock(NOON)
    with opened(tmp_path) as (store, _):
        member = Taskmaster(
            id="tm-1",
            slots=1,
            assigned=0,
            lease_until=clock.now(),
            seen=True,
            started_at=NOON,
        )
        store.write(lambda tx: tx.put_taskmaster(member))
        (found,) = verification(store).verify("ada", fix=False, cluster=True)

    assert found.kind is FindingKind.TASKMASTER_MISSING
    assert "reassigns them now" in found.text
    assert found.repair == ""


def test_a_repair_waits_for_a_leader_and_stops_when_another_one_leads(
    tmp_path: Path,
) -> None:
    class Usurped(FakeLauncher):
        """Another scheduler takes the lead while taskmasters are listed."""

        def alive(self) -> set[str]:
            store.write(
                lambda tx: tx.acquire_lead("b", now=NOON, until=NOON, force=True)
            )
            return set(super().alive())

    with opened(tmp_path) as (store, _):
        launcher = FakeLauncher()
        launcher.appear("stranger")
        with pytest.raises(ConflictError, match="no scheduler leads"):
            verification(store, launcher=launcher).verify("ada", fix=True, cluster=True)
        store.write(lambda tx: tx.acquire_lead("a", now=NOON, until=NOON, force=True))
        usurped = Usurped()
        usurped.appear("stranger")
        with pytest.raises(ConflictError, match="another scheduler leads"):
            verification(store, launcher=usurped).verify("ada", fix=True, cluster=True)

    assert (launcher.killed, usurped.killed) == ([], [])
