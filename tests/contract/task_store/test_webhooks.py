"""What is to be delivered is kept, in order, for each destination by itself."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from builders.scheduler_tasks import NOON, make_new_task
from builders.webhooks import make_delivery
from tesk_model.errors import ConflictError, InvalidRequestError
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.adapters.store.webhook_schema import WEBHOOK_DESTINATION
from tesk_scheduler.domain.records import Micros
from tesk_scheduler.domain.state_changes import ChangeFilter, Position
from tesk_scheduler.domain.transitions import admitted
from tesk_scheduler.domain.webhooks.deliveries import (
    Circuit,
    Delivery,
    NewDelivery,
    Outcome,
    Settled,
)
from tesk_scheduler.domain.webhooks.lanes import Lane
from tesk_scheduler.domain.webhooks.targets import Recipient
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.ports.webhooks import Bounds, DeliveryStore, Selection

HEALTHY = Lane(of_tasks=False, failing=False)
FAILING = Lane(of_tasks=False, failing=True)
OF_TASKS = Lane(of_tasks=True, failing=False)
LAB = Recipient("lab", "https://lab.example.org/")
CI = Recipient("ci", "https://ci.example.org/x", is_of_task=True)
MINUTE = timedelta(minutes=1)
WIDE = Bounds(pending=1000, dead=1000, max_age=MINUTE * 60, keep_dead=MINUTE * 600)


@pytest.fixture
def deliveries(store: SqlTaskStore) -> DeliveryStore:
    return store.deliveries


def new(task: str, number: int = 1, recipient: Recipient = LAB) -> NewDelivery:
    return NewDelivery(
        event_id=f"{task}.{number}",
        recipient=recipient,
        task_id=task,
        body=f"{task}.{number}".encode(),
        created_at=NOON,
    )


def put(store: DeliveryStore, *made: NewDelivery) -> None:
    cursor = store.cursor()
    number = 1 if cursor is None else cursor.number + 1
    store.expand(cursor, Position(number, Micros(number)), made)


def due(
    store: DeliveryStore,
    destination: str = "lab",
    now: datetime = NOON,
    leave_out: Sequence[str] = (),
) -> list[Delivery]:
    return store.due_deliveries(destination, now, 100, leave_out=leave_out)


def ids(found: Sequence[Delivery]) -> list[str]:
    return [each.event_id for each in found]


def names(
    store: DeliveryStore, lane: Lane = HEALTHY, now: datetime = NOON
) -> list[str]:
    return [each.name for each in store.due_destinations(lane, now, 10, leave_out=[])]


def settle(
    store: DeliveryStore,
    delivery: Delivery,
    outcome: Outcome,
    retry_at: datetime | None = None,
    circuit: Circuit | None = None,
) -> None:
    settled = Settled(
        delivery=delivery, outcome=outcome, retry_at=retry_at, detail="because"
    )
    name = delivery.recipient.destination
    store.settle([settled], {name: circuit or Circuit()}, now=NOON)


def test_the_cursor_moves_once_and_with_what_it_stands_for(
    deliveries: DeliveryStore,
) -> None:
    one, two = Position(1, Micros(5)), Position(2, Micros(6))
    assert deliveries.cursor() is None

    deliveries.expand(None, one, [new("t-1")])
    for before in (None, two, Position(1, Micros(9))):
        with pytest.raises(ConflictError):
            deliveries.expand(before, two, [new("t-2")])
    deliveries.expand(one, two, [])

    assert deliveries.cursor() == two
    assert ids(due(deliveries)) == ["t-1.1"]
    deliveries.expand(two, None, [])
    assert deliveries.cursor() is None


def test_a_delivery_is_as_it_was_made(deliveries: DeliveryStore) -> None:
    put(deliveries, new("t-1", recipient=CI))

    (found,) = due(deliveries, CI.destination)

    assert found == make_delivery(
        seq=found.seq,
        event_id="t-1.1",
        recipient=CI,
        task_id="t-1",
        body=b"t-1.1",
        created_at=NOON,
    )


def test_only_the_first_of_a_task_is_due(deliveries: DeliveryStore) -> None:
    put(deliveries, new("t-1", 1), new("t-2", 1), new("t-1", 2))

    first = due(deliveries)
    settle(deliveries, first[0], Outcome.DELIVERED)

    assert ids(first) == ["t-1.1", "t-2.1"]
    assert ids(due(deliveries)) == ["t-2.1", "t-1.2"]
    assert ids(due(deliveries, leave_out=["t-2"])) == ["t-1.2"]


def test_tasks_and_destinations_do_not_wait_for_each_other(
    deliveries: DeliveryStore,
) -> None:
    put(deliveries, new("t-1", 1), new("t-1", 2, CI), new("t-2", 1))
    later = NOON + MINUTE

    settle(deliveries, due(deliveries)[0], Outcome.RETRIED, later)

    assert ids(due(deliveries)) == ["t-2.1"]
    assert ids(due(deliveries, CI.destination)) == ["t-1.2"]
    assert names(deliveries) == ["lab"]
    assert names(deliveries, OF_TASKS) == ["ci https://ci.example.org:443"]


def test_what_follows_in_a_task_waits_with_a_failed_one(
    deliveries: DeliveryStore,
) -> None:
    put(deliveries, new("t-1", 1), new("t-1", 2))
    later = NOON + MINUTE

    settle(deliveries, due(deliveries)[0], Outcome.RETRIED, later)
    put(deliveries, new("t-1", 3))

    assert due(deliveries) == []
    assert names(deliveries) == []
    assert deliveries.next_due() == later
    (again,) = due(deliveries, now=later)
    assert (again.event_id, again.tries, again.last_error) == ("t-1.1", 1, "because")


def test_a_dead_letter_lets_what_follows_go_on(deliveries: DeliveryStore) -> None:
    put(deliveries, new("t-1", 1), new("t-1", 2))

    settle(deliveries, due(deliveries)[0], Outcome.DEAD)

    assert ids(due(deliveries)) == ["t-1.2"]
    (dead,) = deliveries.dead_letters(Selection(), "", 10).deliveries
    assert (dead.event_id, dead.dead_at, dead.tries) == ("t-1.1", NOON, 1)


def test_a_destination_that_fails_waits_as_a_whole(deliveries: DeliveryStore) -> None:
    put(deliveries, new("t-1"), new("t-2"))
    later = NOON + MINUTE
    open_ = Circuit(failures=2, not_before=later)

    settle(deliveries, due(deliveries)[0], Outcome.RETRIED, NOON, open_)
    before = (names(deliveries), names(deliveries, FAILING), deliveries.next_due())
    (found,) = deliveries.due_destinations(FAILING, later, 10, leave_out=[])
    settle(deliveries, due(deliveries)[0], Outcome.DELIVERED)

    assert before == ([], [], later)
    assert (found.name, found.circuit) == ("lab", open_)
    assert names(deliveries) == ["lab"]
    assert names(deliveries, FAILING) == []


def test_a_destination_with_nothing_left_is_not_due(deliveries: DeliveryStore) -> None:
    put(deliveries, new("t-1"))

    settle(deliveries, due(deliveries)[0], Outcome.DROPPED)

    assert deliveries.next_due() is None
    assert names(deliveries) == []
    assert deliveries.dead_letters(Selection(), "", 10).deliveries == []


def test_the_longest_due_comes_first_and_some_are_left_out(
    deliveries: DeliveryStore,
) -> None:
    for minutes, name in ((3, "a"), (1, "b"), (2, "c")):
        at = NOON + minutes * MINUTE
        put(
            deliveries,
            replace(new("t"), recipient=Recipient(name, "https://x/"), created_at=at),
        )
    now = NOON + 9 * MINUTE

    assert names(deliveries, now=now) == ["b", "c", "a"]
    found = deliveries.due_destinations(HEALTHY, now, 1, leave_out=["b"])
    assert [each.name for each in found] == ["c"]


def test_dead_letters_are_listed_by_page_revived_and_dropped(
    deliveries: DeliveryStore,
) -> None:
    put(deliveries, *(new(f"t-{number}") for number in range(5)), new("t", 1, CI))
    for destination in ("lab", CI.destination):
        for each in due(deliveries, destination):
            settle(deliveries, each, Outcome.DEAD)
    everything, of_ci = Selection(), Selection(target="ci")
    first = deliveries.dead_letters(everything, "", 4)
    rest = deliveries.dead_letters(everything, first.next_cursor, 4)
    later = NOON + MINUTE

    revived = deliveries.revive(
        Selection(seqs=[first.deliveries[0].seq, 999]), 10, now=later
    )
    dropped = deliveries.drop(of_ci, 10)

    assert ids([*first.deliveries, *rest.deliveries]) == [
        *(f"t-{number}.1" for number in range(5)),
        "t.1",
    ]
    assert rest.next_cursor == ""
    assert (revived, dropped) == (1, 1)
    (again,) = due(deliveries, now=later)
    assert (again.event_id, again.tries, again.dead_at) == ("t-0.1", 0, None)
    assert again.created_at == later
    assert names(deliveries, now=later) == ["lab"]
    assert deliveries.count_dead(everything) == 4
    assert deliveries.drop(everything, 3) == 3
    assert deliveries.count_dead(everything) == 1
    with pytest.raises(InvalidRequestError):
        deliveries.dead_letters(everything, "x", 1)


def test_what_is_old_or_too_much_is_bounded(deliveries: DeliveryStore) -> None:
    put(deliveries, *(new(f"t-{number}") for number in range(6)))
    few = replace(WIDE, pending=4)

    crowded = deliveries.trim(few, now=NOON)
    aged = deliveries.trim(WIDE, now=NOON + MINUTE * 61)
    dead = deliveries.dead_letters(Selection(), "", 10).deliveries
    surplus = deliveries.trim(replace(WIDE, dead=5), now=NOON)
    expired = deliveries.trim(WIDE, now=NOON + MINUTE * 700)

    assert (crowded.dead, crowded.deleted) == (2, 0)
    assert (aged.dead, aged.deleted) == (4, 0)
    assert ids(dead) == [f"t-{number}.1" for number in range(6)]
    assert "more events wait" in dead[0].last_error
    assert "in time" in dead[-1].last_error
    assert (surplus.dead, surplus.deleted) == (0, 1)
    assert expired.deleted == 5
    assert deliveries.next_due() is None


def test_a_time_that_was_lost_is_found_again(
    deliveries: DeliveryStore, store: SqlTaskStore
) -> None:
    put(deliveries, new("t-1"))
    store._writer.run(
        lambda each: each.execute(update(WEBHOOK_DESTINATION).values(next_try=None))
    )
    lost = names(deliveries)

    deliveries.trim(WIDE, now=NOON)

    assert lost == []
    assert names(deliveries) == ["lab"]


def test_what_waits_is_counted(deliveries: DeliveryStore) -> None:
    put(deliveries, new("t-1"), new("t-2"), new("t-1", 2, CI), new("t-3"))
    settle(deliveries, due(deliveries)[0], Outcome.DEAD)

    backlog = deliveries.backlog()

    assert backlog.pending == {"lab": 2, "ci": 1}
    assert backlog.dead == 1
    assert backlog.oldest == NOON


def test_events_tell_of_tasks_what_is_stored(
    deliveries: DeliveryStore, store: SqlTaskStore
) -> None:
    tasks = [
        make_new_task("t-1", groups=("g", "h"), webhook="https://ci.example.org/x"),
        make_new_task("t-2"),
    ]
    store.write(lambda tx: tx.add_tasks(tasks))

    def move(tx: Transaction) -> None:
        record = tx.records([TaskId("t-2")])[TaskId("t-2")]
        tx.save(record, admitted(record, "tm-1", NOON + MINUTE))

    store.write(move)
    page = store.state_changes(
        Position(0, Micros(0)), [ChangeFilter(owner=None)], limit=9
    )
    one, two, _ = (each.task for each in page.changes)

    found = deliveries.event_tasks([one, two, 999])

    assert found.keys() == {one, two}
    assert found[one].groups == ("g", "h")
    assert found[one].webhook == "https://ci.example.org/x"
    assert found[one].created_at == NOON
    assert (found[two].webhook, found[two].attempt) == ("", 1)
    assert found[two].started_at == NOON + MINUTE
