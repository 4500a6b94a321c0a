"""An informer's cache recovers, whatever happens to its watch."""

import queue
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from programs.waiting import eventually
from tesk_kubernetes.api import (
    PODS,
    SECRETS,
    ApiUnavailableError,
    JsonObject,
    RefusedError,
)
from tesk_kubernetes.informer import Informer, InformerTiming
from tesk_model.backoff import Backoff

SPACE = "space"
AT_ONCE = Backoff(first=timedelta(0), longest=timedelta(0))


def phase(body: JsonObject) -> str:
    return str(body["status"]["phase"])


def made(name: str) -> JsonObject:
    return {"metadata": {"name": name, "labels": {"app": "x"}}, "spec": {}}


class Watched:
    """An informer over a fake API, and what it told."""

    def __init__(
        self,
        *,
        keep: Callable[[JsonObject], str] = phase,
        relist: timedelta = timedelta(hours=1),
    ) -> None:
        self.api = FakeKubernetesApi()
        self.changes: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.informer = Informer(
            self.api,
            PODS,
            SPACE,
            "app=x",
            prune=keep,
            on_change=lambda name, kept: self.changes.put((name, kept)),
            timing=InformerTiming(relist=relist, backoff=AT_ONCE),
        )

    def start(self) -> None:
        self.informer.start()
        assert self.informer.wait_synced(timedelta(seconds=10))
        self.wait_for_watch()

    def wait_for_watch(self) -> None:
        eventually(lambda: self.api.watches().count == 1)

    def create(self, name: str) -> None:
        self.api.create(PODS, SPACE, made(name))

    def set_phase(self, name: str, value: str) -> None:
        self.api.change(
            PODS, SPACE, name, lambda new: new.update(status={"phase": value})
        )

    def next(self) -> tuple[str, str | None]:
        return self.changes.get(timeout=100)


@pytest.fixture
def watched() -> Iterator[Watched]:
    found = Watched()
    yield found
    found.api.up()
    found.informer.close()


def test_present_objects_are_reported_first(watched: Watched) -> None:
    watched.create("a")

    watched.start()

    assert watched.next() == ("a", "Pending")
    assert watched.informer.snapshot() == {"a": "Pending"}


def test_changes_are_told_as_they_come(watched: Watched) -> None:
    watched.start()
    watched.create("a")
    watched.set_phase("a", "Running")
    watched.api.delete(PODS, SPACE, "a")

    told = [watched.next() for _ in range(3)]

    assert told == [("a", "Pending"), ("a", "Running"), ("a", None)]
    assert watched.informer.snapshot() == {}


def test_the_last_version_of_what_is_deleted_is_told(watched: Watched) -> None:
    watched.create("a")
    watched.start()
    watched.wait_for_watch()
    watched.api.vanish(
        PODS, SPACE, "a", last=lambda pod: pod.update(status={"phase": "Succeeded"})
    )

    told = [watched.next() for _ in range(3)]

    assert told == [("a", "Pending"), ("a", "Succeeded"), ("a", None)]


def test_a_change_of_what_is_not_kept_is_none(watched: Watched) -> None:
    watched.start()
    watched.create("a")
    watched.api.change(PODS, SPACE, "a", lambda new: new["spec"].update(nodeName="n"))
    watched.set_phase("a", "Running")

    assert [watched.next(), watched.next()] == [("a", "Pending"), ("a", "Running")]


def cut(watched: Watched) -> None:
    watched.api.watches().cut()


def end(watched: Watched) -> None:
    watched.api.watches().end()


def expire(watched: Watched) -> None:
    watched.api.expire()


def fall(watched: Watched) -> None:
    watched.api.down()


TROUBLES: dict[str, Callable[[Watched], None]] = {
    "the watch was cut": cut,
    "the watch was ended by the server": end,
    "the server forgot": expire,
    "the server was away": fall,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_the_copy_becomes_true_again(
    trouble: Callable[[Watched], None], watched: Watched
) -> None:
    for name in ("goes", "stays", "changes"):
        watched.create(name)
    watched.start()
    told = {watched.next()[0] for _ in range(3)}
    watched.api.watches().mute()
    watched.set_phase("changes", "Running")
    watched.api.delete(PODS, SPACE, "goes")
    watched.create("comes")

    trouble(watched)
    watched.api.up()

    assert told == {"goes", "stays", "changes"}
    assert {watched.next() for _ in range(3)} == {
        ("changes", "Running"),
        ("goes", None),
        ("comes", "Pending"),
    }
    eventually(lambda: not watched.informer.problem())
    assert watched.informer.snapshot() == {
        "stays": "Pending",
        "changes": "Running",
        "comes": "Pending",
    }


def test_a_cut_watch_goes_on_without_a_list(watched: Watched) -> None:
    watched.start()
    watched.api.watches().cut()
    watched.wait_for_watch()
    watched.create("a")

    assert watched.next() == ("a", "Pending")
    assert watched.api.faults.calls["list", "pods"] == 1


def test_a_bookmark_moves_the_version_to_watch_from(
    watched: Watched,
) -> None:
    watched.start()
    watched.api.plant(SECRETS, SPACE, {"metadata": {"name": "unseen"}})

    watched.api.bookmark()
    watched.api.forget()
    watched.api.watches().end()
    watched.wait_for_watch()
    watched.create("a")

    assert watched.next() == ("a", "Pending")
    assert watched.api.faults.calls["list", "pods"] == 1


def test_the_cache_stays_while_the_server_is_unavailable(watched: Watched) -> None:
    watched.create("a")
    watched.start()
    watched.next()

    watched.api.expire()
    watched.api.down()

    eventually(lambda: "does not answer" in watched.informer.problem())
    assert watched.informer.snapshot() == {"a": "Pending"}
    assert watched.changes.empty()


def test_a_missing_right_is_told_until_it_is_given(watched: Watched) -> None:
    refusal = RefusedError('User "u" cannot list resource "pods"')
    watched.api.fail_next("list", PODS, refusal, times=10**9)
    watched.informer.start()

    eventually(lambda: watched.informer.problem() == str(refusal))
    assert not watched.informer.wait_synced(timedelta(0))


def test_a_first_list_that_fails_is_made_again(watched: Watched) -> None:
    watched.create("a")
    watched.api.fail_next("list", PODS, ApiUnavailableError("away"), times=3)

    watched.start()

    assert watched.next() == ("a", "Pending")
    assert watched.api.faults.calls["list", "pods"] == 4


def test_all_is_listed_again_once_in_a_while() -> None:
    watched = Watched(relist=timedelta(0))
    watched.start()
    watched.api.watches().mute()  # an event that never came
    watched.create("a")
    watched.api.bookmark()  # the next sign of life

    assert watched.next() == ("a", "Pending")
    watched.informer.close()


def test_a_fault_of_the_caller_does_not_stop_it() -> None:
    faults = iter([ValueError("strange pod")])

    def keep(body: JsonObject) -> str:
        for fault in faults:
            raise fault
        return phase(body)

    watched = Watched(keep=keep)
    watched.create("a")
    watched.start()

    assert watched.next() == ("a", "Pending")
    watched.informer.close()


def test_a_closed_informer_has_no_watch_and_may_be_read(watched: Watched) -> None:
    watched.create("a")
    watched.start()

    watched.informer.close()
    watched.informer.close()
    watched.create("b")

    assert watched.informer.snapshot() == {"a": "Pending"}


def test_an_informer_that_never_started_can_be_closed(watched: Watched) -> None:
    watched.informer.close()

    assert watched.informer.snapshot() == {}
