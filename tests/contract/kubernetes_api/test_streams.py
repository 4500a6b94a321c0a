"""Watches and logs come bit by bit, and can be ended from outside."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from contract.kubernetes_api.kits import ApiKit, pod
from programs.waiting import eventually
from tesk_kubernetes.api import (
    CONFIG_MAPS,
    PODS,
    EventType,
    ExpiredError,
    JsonObject,
    RefusedError,
    WatchEvent,
)
from tesk_kubernetes.informer import Informer


def note(name: str, app: str = "x") -> JsonObject:
    return {"metadata": {"name": name, "labels": {"app": app}}}


def told(event: WatchEvent) -> tuple[str, str]:
    return event.type.value, event.object["metadata"]["name"]


def version(kit: ApiKit) -> str:
    return kit.api.list(CONFIG_MAPS, kit.namespace).resource_version


def test_a_watch_tells_what_came_after(kit: ApiKit) -> None:
    kit.api.create(CONFIG_MAPS, kit.namespace, note("before"))
    since = version(kit)
    kit.api.create(CONFIG_MAPS, kit.namespace, note("a"))
    kit.api.create(CONFIG_MAPS, kit.namespace, note("hidden", app="y"))

    with kit.api.watch(
        CONFIG_MAPS, kit.namespace, labels="app=x", since=since
    ) as events:
        first = next(events)
        kit.api.delete(CONFIG_MAPS, kit.namespace, "a")
        second = next(events)

    assert [told(first), told(second)] == [("ADDED", "a"), ("DELETED", "a")]
    assert first.object["kind"] == "ConfigMap"


def test_a_watch_goes_on_from_any_version_it_told(kit: ApiKit) -> None:
    since = version(kit)
    for name in ("a", "b"):
        kit.api.create(CONFIG_MAPS, kit.namespace, note(name))
    with kit.api.watch(
        CONFIG_MAPS, kit.namespace, labels="app=x", since=since
    ) as events:
        seen = next(events).object["metadata"]["resourceVersion"]

    with kit.api.watch(
        CONFIG_MAPS, kit.namespace, labels="app=x", since=seen
    ) as events:
        assert told(next(events)) == ("ADDED", "b")


def test_a_watch_from_long_ago_has_expired(kit: ApiKit) -> None:
    def watch() -> None:
        with kit.watch_from_long_ago() as events:
            next(events)

    with pytest.raises(ExpiredError, match="too old resource version"):
        watch()


def test_a_silent_watch_has_bookmarks(kit: ApiKit) -> None:
    with kit.api.watch(
        CONFIG_MAPS, kit.namespace, labels="app=none", since=version(kit)
    ) as events:
        kit.remark()
        event = next(events)

    assert event.type is EventType.BOOKMARK
    assert event.object["metadata"]["resourceVersion"]


def test_a_closed_watch_lets_its_reader_go(kit: ApiKit) -> None:
    events = kit.api.watch(
        CONFIG_MAPS, kit.namespace, labels="app=none", since=version(kit)
    )

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(lambda: list(events))
        events.close()
        assert reading.result(timeout=100) == []


def test_a_log_is_followed_to_its_end(kit: ApiKit) -> None:
    kit.talk("talker")

    with kit.api.logs(
        kit.namespace, "talker", container="main", follow=True, tail_lines=-1
    ) as chunks:
        said = next(chunks)
        kit.resume("talker")
        said += b"".join(chunks)

    assert said == b"one\ntwo\nthree\n"


TAILS = {"all": (-1, b"one\ntwo\n"), "the last line": (1, b"two\n"), "none": (0, b"")}


def test_the_tail_of_a_log_can_be_read(kit: ApiKit) -> None:
    kit.talk("talker")

    def tail(lines: int) -> bytes:
        with kit.api.logs(
            kit.namespace, "talker", container="main", follow=False, tail_lines=lines
        ) as chunks:
            return b"".join(chunks)

    eventually(lambda: tail(-1) == b"one\ntwo\n", every=0.1)
    assert {sentence: tail(lines) for sentence, (lines, _) in TAILS.items()} == {
        sentence: wanted for sentence, (_, wanted) in TAILS.items()
    }


def test_a_closed_log_lets_its_reader_go(kit: ApiKit) -> None:
    kit.talk("talker")
    chunks = kit.api.logs(
        kit.namespace, "talker", container="main", follow=True, tail_lines=0
    )

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(lambda: list(chunks))
        chunks.close()
        assert reading.result(timeout=100) == []


def test_a_log_of_a_missing_pod_is_refused(kit: ApiKit) -> None:
    with pytest.raises(RefusedError, match='pods "none" not found'):
        kit.api.logs(kit.namespace, "none", container="main", follow=True, tail_lines=0)


def test_a_log_before_the_start_is_refused(kit: ApiKit) -> None:
    unplaced = pod("waiting")
    unplaced["spec"]["nodeSelector"] = {"no-node": "has-this"}
    kit.api.create(PODS, kit.namespace, unplaced)

    def look() -> bytes:
        with kit.api.logs(
            kit.namespace, "waiting", container="main", follow=False, tail_lines=-1
        ) as chunks:
            return b"".join(chunks)

    assert outcome(look) in {"refused", b""}


def outcome(look: Callable[[], bytes]) -> bytes | str:
    try:
        return look()
    except RefusedError:
        return "refused"


def test_an_informer_keeps_a_true_copy(kit: ApiKit) -> None:
    kit.api.create(CONFIG_MAPS, kit.namespace, note("before"))
    changes: list[tuple[str, str | None]] = []
    gone = threading.Event()

    def changed(name: str, kept: str | None) -> None:
        changes.append((name, kept))
        if kept is None:
            gone.set()

    informer = Informer(
        kit.api,
        CONFIG_MAPS,
        kit.namespace,
        "app=x",
        prune=lambda body: str(body["metadata"]["labels"]["app"]),
        on_change=changed,
    )
    informer.start()
    assert informer.wait_synced(timedelta(seconds=10))
    kit.api.create(CONFIG_MAPS, kit.namespace, note("later"))
    kit.api.create(CONFIG_MAPS, kit.namespace, note("hidden", app="y"))
    kit.api.delete(CONFIG_MAPS, kit.namespace, "before")

    assert gone.wait(100)
    assert informer.snapshot() == {"later": "x"}
    assert informer.get("before") is None
    assert changes == [("before", "x"), ("later", "x"), ("before", None)]
    informer.close()
