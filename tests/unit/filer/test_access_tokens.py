"""Tokens are kept, renewed before they end, and asked for within a deadline."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tesk_filer.adapters.storage.access_tokens import (
    AccessToken,
    KeptToken,
    OneAtATime,
    within_deadline,
)
from tesk_filer.ports import StorageError

HOUR = 3600.0


class Service:
    """Gives tokens, each for an hour, unless it fails."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.failure: StorageError | None = None
        early = timedelta(minutes=5)
        self.kept = KeptToken(self.ask, early, now=lambda: self.now)

    def ask(self) -> AccessToken:
        self.asked += 1
        if self.failure:
            raise self.failure
        return AccessToken(f"of {self.now:.0f} s", self.now + HOUR)


@pytest.fixture
def service() -> Service:
    return Service()


AWAY = StorageError("away", transient=True)


def test_a_token_is_kept_until_some_minutes_before_its_end(service: Service) -> None:
    assert service.kept.get() == "of 0 s"
    service.now = HOUR - 301

    assert service.kept.get() == "of 0 s"
    assert service.asked == 1
    service.now = HOUR - 299
    assert service.kept.get() == "of 3301 s"


def test_one_that_cannot_be_renewed_for_the_moment_is_used_until_its_end(
    service: Service,
) -> None:
    service.kept.get()
    service.failure = AWAY
    service.now = HOUR - 200

    assert [service.kept.get() for _ in range(100)] == ["of 0 s"] * 100
    assert service.asked == 2
    service.now += 11
    assert service.kept.get() == "of 0 s"
    assert service.asked == 3
    service.now = HOUR
    with pytest.raises(StorageError, match="away"):
        service.kept.get()


def test_it_is_renewed_when_the_service_is_back(service: Service) -> None:
    service.kept.get()
    service.failure = AWAY
    service.now = HOUR - 200
    service.kept.get()
    service.failure = None
    service.now += 11

    assert service.kept.get() == "of 3411 s"


def test_a_refusal_that_lasts_is_told_at_once(service: Service) -> None:
    service.kept.get()
    service.failure = StorageError("no such account any more")
    service.now = HOUR - 200

    with pytest.raises(StorageError, match="no such account"):
        service.kept.get()


class Threads:
    """Threads that ask at once; satisfies what ``OneAtATime`` locks by.

    The first of them asks when all are there.
    """

    COUNT = 8

    def __init__(self) -> None:
        self.turns = OneAtATime(self)
        self._lock = threading.Lock()
        self._there = threading.Semaphore(0)

    def __enter__(self) -> None:
        self._there.release()
        self._lock.acquire()

    def __exit__(self, *_of_error: object) -> None:
        self._lock.release()

    def wait(self) -> None:
        """Wait for all."""
        for _ in range(self.COUNT):
            assert self._there.acquire(timeout=30)

    def ask(self, question: Callable[[], str]) -> list[str]:
        """Return what each of them is told."""

        def ask(_number: int) -> str:
            try:
                return self.turns.ask(question)
            except StorageError as error:
                return f"{error.message}, {error.transient}, {error.throttled}"

        with ThreadPoolExecutor(self.COUNT) as pool:
            return list(pool.map(ask, range(self.COUNT)))


class Overtaken:
    """A lock in which who comes first waits until another has asked twice."""

    def __init__(self) -> None:
        self.turns = OneAtATime(self)
        self.told: list[str] = []
        self._is_first = True

    def __enter__(self) -> None:
        if not self._is_first:
            return
        self._is_first = False
        with pytest.raises(StorageError):
            self.turns.ask(self.fail)
        self.told.append(self.turns.ask(lambda: "token"))

    def __exit__(self, *_of_error: object) -> None:
        """Nothing is held."""

    @staticmethod
    def fail() -> str:
        raise StorageError("refused")


def test_a_failure_is_over_when_somebody_has_succeeded() -> None:
    overtaken = Overtaken()

    assert overtaken.turns.ask(lambda: "token") == "token"
    assert overtaken.told == ["token"]


def test_who_waits_for_a_question_shares_its_failure() -> None:
    threads = Threads()
    asked: list[str] = []

    def question() -> str:
        asked.append("x")
        threads.wait()
        raise StorageError("away", transient=True, throttled=True)

    told = threads.ask(question)

    assert told == ["away, True, True"] * threads.COUNT
    assert len(asked) == 1


def test_who_comes_after_a_failure_asks_anew(service: Service) -> None:
    turns = OneAtATime()
    service.failure = AWAY
    for _ in range(2):
        with pytest.raises(StorageError, match="away"):
            turns.ask(service.kept.get)
    service.failure = None

    assert turns.ask(service.kept.get) == "of 0 s"
    assert service.asked == 3


def test_who_waits_for_a_question_that_is_answered_finds_the_answer(
    service: Service,
) -> None:
    threads = Threads()

    def question() -> str:
        if not service.asked:
            threads.wait()
        return service.kept.get()

    assert threads.ask(question) == ["of 0 s"] * threads.COUNT
    assert service.asked == 1


def test_a_library_without_a_deadline_gets_one() -> None:
    hangs = threading.Event()

    with pytest.raises(StorageError, match="no credentials in time") as caught:
        within_deadline(hangs.wait, 0.01)

    assert caught.value.transient
    hangs.set()


def test_what_a_library_brings_or_raises_in_time_is_passed_on() -> None:
    def fail() -> None:
        raise LookupError("x")

    assert within_deadline(lambda: None) is None
    with pytest.raises(LookupError):
        within_deadline(fail)
