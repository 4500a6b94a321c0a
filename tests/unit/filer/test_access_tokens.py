"""Tokens are kept, renewed before they end, and asked for within a deadline."""

import threading
from datetime import timedelta

import pytest

from tesk_filer.adapters.storage.access_tokens import (
    AccessToken,
    KeptToken,
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
