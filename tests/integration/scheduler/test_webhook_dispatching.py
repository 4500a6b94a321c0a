"""Events are delivered at least once and in order; no receiver holds up another."""

import json
from datetime import timedelta

import pytest

from builders.scheduler_tasks import NOON
from builders.webhooks import make_target
from schedulers.dispatching import ACCEPTED, HOUR, DispatchHarness
from tesk_model.errors import UnavailableError
from tesk_model.states import TaskState
from tesk_model.url_lists import parse_url_patterns
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.webhooks.deliveries import Response, SendResult
from tesk_scheduler.domain.webhooks.targets import Audience, Targets
from tesk_scheduler.ports.webhooks import Selection

UNAVAILABLE = SendResult(response=Response.UNAVAILABLE, detail="refuses connections")
REJECTED = SendResult(response=Response.REJECTED, detail="answered 400")
CI = "https://ci.example.org/hooks"
LIFE = ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE"]


def test_each_state_is_told_once_and_in_order(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target())

    harness.create("t-1")
    harness.finish("t-1")
    harness.run()

    assert harness.receivers.states("lab") == LIFE
    assert harness.heard.outcomes == ["delivered"] * 4
    event = json.loads(harness.receivers.bodies[-1])
    assert event["source"] == "/tes"
    assert event["data"]["tags"] == {"project": "x"}
    assert event["data"]["end_time"] == "2026-01-01T12:00:00Z"


def test_what_was_before_there_were_receivers_is_not_told(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store)
    harness.create("t-1")
    harness.run()

    harness.listed.targets = Targets((make_target(),))
    harness.run()
    harness.create("t-2")
    harness.run()
    harness.listed.targets = Targets()
    harness.run()
    harness.create("t-3")
    harness.listed.targets = Targets((make_target(),))
    harness.run()
    harness.create("t-4")
    harness.run()

    told = {event.partition(".")[0] for _, event in harness.receivers.got}
    assert told == {"t-2", "t-4"}


def test_a_receiver_hears_of_its_own_tasks_alone(store: SqlTaskStore) -> None:
    harness = DispatchHarness(
        store,
        make_target(name="bobs", audience=Audience(users=frozenset({"bob"}))),
        make_target(name="groups", audience=Audience(groups=frozenset({"g"}))),
        make_target(
            name="ends", audience=Audience(states=frozenset({TaskState.COMPLETE}))
        ),
        make_target(name="ci", url="", beginnings=parse_url_patterns([CI], "urls")),
    )

    harness.create("t-1", webhook=f"{CI}/1")
    harness.create("t-2")
    harness.finish("t-1", "t-2")
    harness.run()

    assert harness.receivers.states("bobs") == []
    assert len(harness.receivers.states("groups")) == 8
    assert harness.receivers.states("ends") == ["COMPLETE"] * 2
    assert harness.receivers.states("ci") == LIFE


def test_a_dead_receiver_does_not_hold_up_another(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target(name="dead"), make_target(name="good"))
    harness.receivers.responses["dead"] = UNAVAILABLE
    tasks = [f"t-{number}" for number in range(30)]

    harness.create(*tasks)
    harness.run(60)

    assert len(harness.receivers.states("good")) == 30
    assert len(harness.receivers.states("dead")) <= 4
    assert store.deliveries.backlog().pending == {"dead": 30}


def test_a_receiver_that_comes_back_gets_all_in_order(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target())
    harness.receivers.responses["lab"] = UNAVAILABLE
    harness.create("t-1", "t-2")
    harness.run()
    harness.finish("t-1", "t-2")
    harness.run()

    harness.receivers.responses["lab"] = ACCEPTED
    harness.receivers.got.clear()
    harness.receivers.bodies.clear()
    harness.clock.advance(timedelta(minutes=11))
    harness.run(40)

    for task in ("t-1", "t-2"):
        assert harness.receivers.states("lab", task) == LIFE


def test_what_is_never_accepted_becomes_a_dead_letter(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target())
    harness.receivers.responses["lab"] = REJECTED
    harness.create("t-1")

    for _ in range(10):
        harness.run(3)
        harness.clock.advance(timedelta(minutes=5))

    (letter,) = store.deliveries.dead_letters(Selection(), "", 9).deliveries
    assert (letter.tries, letter.last_error) == (5, "answered 400")
    assert harness.heard.outcomes == ["retried"] * 4 + ["dead"]
    assert len(harness.receivers.got) == 5


def test_who_is_gone_is_told_no_more_of_it(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target())
    harness.receivers.responses["lab"] = SendResult(response=Response.GONE)
    harness.create("t-1")

    harness.run()

    assert harness.heard.outcomes == ["dropped"]
    assert store.deliveries.backlog().pending == {}


def test_a_receiver_that_is_taken_off_the_list_gets_nothing(
    store: SqlTaskStore,
) -> None:
    harness = DispatchHarness(store, make_target(), make_target(name="other"))
    harness.receivers.responses["lab"] = UNAVAILABLE
    harness.create("t-1")
    harness.run()
    harness.receivers.got.clear()

    harness.listed.targets = Targets((make_target(name="other"),))
    harness.clock.advance(timedelta(minutes=5))
    harness.run()

    assert harness.receivers.got == []
    (letter,) = store.deliveries.dead_letters(Selection(), "", 9).deliveries
    assert "no such receiver any more" in letter.last_error


def test_only_the_leader_sends_and_the_next_one_goes_on(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target())
    harness.leads = False
    harness.create("t-1")
    harness.run()
    before = list(harness.receivers.got)
    harness.leads, harness.holds = True, True
    harness.run()

    # Killed while it sends.
    harness.dispatcher, harness.holds = harness.another(), False
    harness.run()
    late = harness.waiting.pop()
    late()

    assert before == []
    assert harness.receivers.states("lab") == ["QUEUED", "QUEUED"]
    assert len(set(harness.receivers.got)) == 1


def test_two_that_both_lead_tell_of_nothing_twice_as_new(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target())
    harness.receivers.responses["lab"] = UNAVAILABLE
    second = harness.another()
    harness.create("t-1", "t-2", "t-3")

    for _ in range(3):
        harness.dispatcher.cycle()
        second.cycle()

    assert store.deliveries.backlog().pending == {"lab": 3}


def test_a_bug_in_sending_keeps_nothing_for_ever(store: SqlTaskStore) -> None:
    harness = DispatchHarness(store, make_target())
    harness.receivers.breaks = True
    harness.create("t-1")
    harness.run()

    harness.receivers.breaks = False
    harness.clock.advance(timedelta(minutes=5))
    harness.run()

    assert harness.receivers.states("lab") == ["QUEUED"]


def test_results_are_kept_until_they_can_be_noted(
    store: SqlTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = DispatchHarness(store, make_target())
    harness.create("t-1")
    harness.dispatcher.cycle()
    deliveries = type(store.deliveries)

    with monkeypatch.context() as broken:
        broken.setattr(deliveries, "settle", _fails)
        with pytest.raises(UnavailableError):
            harness.dispatcher.cycle()
    harness.run()

    assert harness.receivers.states("lab") == ["QUEUED"]
    assert harness.heard.outcomes == ["delivered"]
    assert store.deliveries.backlog().pending == {}


def _fails(*_: object, **__: object) -> None:
    raise UnavailableError("the database is gone")


def test_changes_that_were_deleted_first_are_told_of_as_lost(
    store: SqlTaskStore,
) -> None:
    harness = DispatchHarness(store, make_target())
    harness.create("t-1")
    harness.run()
    harness.leads = False
    harness.create("t-2", "t-3", "t-4")
    store.write(lambda tx: tx.delete_changes(before=NOON + HOUR, most=10**6, limit=3))

    harness.leads = True
    harness.run()
    harness.create("t-5")
    harness.run()

    assert harness.heard.losses == 1
    assert harness.receivers.states("lab", "t-5") == ["QUEUED"]
