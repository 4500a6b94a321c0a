from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from fakes.task_server import FakeTaskServer
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.usecases.following import Follower, WaitTimeoutError
from tesk_model.errors import NotFoundError, UnavailableError


@dataclass
class StepClock:
    """A clock that only ``sleep`` advances."""

    now: timedelta = timedelta(0)
    pauses: list[timedelta] = field(default_factory=list)

    def monotonic(self) -> timedelta:
        return self.now

    def sleep(self, duration: timedelta) -> None:
        self.now += duration
        self.pauses.append(duration)


@dataclass
class UnreachableServer(FakeTaskServer):
    """A server that cannot be reached at some polls, counted from 0."""

    unreachable: frozenset[int] = frozenset()
    polls: int = 0

    def __post_init__(self) -> None:
        super().__init__({"state": "RUNNING"}, {"state": "COMPLETE"})

    def watch_task(self, task_id: str) -> Snapshot:
        self.polls += 1
        if self.polls - 1 in self.unreachable:
            raise UnavailableError("unreachable")
        return super().watch_task(task_id)


@dataclass
class BreakingServer(FakeTaskServer):
    """A server that tells one change, and breaks off."""

    told: int = 0

    def __post_init__(self) -> None:
        super().__init__(
            *({"state": "QUEUED"}, {"state": "RUNNING"}, {"state": "RUNNING"}),
            *({"state": "RUNNING"}, {"state": "COMPLETE"}),
        )

    def follow_task(
        self,
        task_id: str,
        timeout: timedelta | None = None,  # noqa: ARG002 - the port's
    ) -> Iterator[Snapshot] | None:
        self.told += 1
        return self._tell(task_id)

    def _tell(self, task_id: str) -> Iterator[Snapshot]:
        task = self.watch_task(task_id)
        yield task
        if not task.state.is_final:
            raise UnavailableError("the server broke off")


def states(follower: Follower, *, timeout: timedelta | None = None) -> list[str]:
    return [task.state.value for task in follower.follow("t1", timeout)]


def created(server: FakeTaskServer) -> FakeTaskServer:
    server.create_task(b'{"executors": [1]}')
    return server


def test_each_change_is_seen_once_until_the_end() -> None:
    script: list[dict[str, Any]] = [
        {"state": "QUEUED"},
        {"state": "RUNNING"},
        {"state": "RUNNING"},
        {"state": "COMPLETE"},
    ]
    server = created(FakeTaskServer(*script))

    seen = states(Follower(server=server, clock=StepClock()))

    assert seen == ["QUEUED", "RUNNING", "COMPLETE"]


def test_polls_become_rarer_but_never_stop() -> None:
    clock = StepClock()
    server = created(
        FakeTaskServer(*[{"state": "RUNNING"}] * 30, {"state": "COMPLETE"})
    )

    states(Follower(server=server, clock=clock))

    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[-1] == timedelta(seconds=1)


def test_a_server_that_restarts_is_waited_for() -> None:
    server = created(UnreachableServer(unreachable=frozenset({1, 2, 3})))

    assert states(Follower(server=server, clock=StepClock())) == ["RUNNING", "COMPLETE"]


def test_a_server_that_breaks_off_is_asked_and_then_tells_again() -> None:
    server = BreakingServer()
    created(server)
    follower = Follower(server=server, clock=StepClock(), ask_for=timedelta(0))

    assert states(follower) == ["QUEUED", "RUNNING", "COMPLETE"]
    assert server.told == 2


def test_a_server_that_stays_away_is_an_error() -> None:
    server = created(UnreachableServer(unreachable=frozenset(range(1, 1000))))

    with pytest.raises(UnavailableError):
        states(Follower(server=server, clock=StepClock()))


def test_a_server_that_was_never_there_is_an_error_at_once() -> None:
    clock = StepClock()
    server = created(UnreachableServer(unreachable=frozenset({0})))

    with pytest.raises(UnavailableError):
        states(Follower(server=server, clock=clock))

    assert clock.pauses == []


def test_following_ends_with_its_timeout() -> None:
    server = created(FakeTaskServer({"state": "RUNNING"}))

    with pytest.raises(WaitTimeoutError, match="5 s"):
        states(Follower(server=server, clock=StepClock()), timeout=timedelta(seconds=5))


def test_an_unknown_task_is_not_waited_for() -> None:
    with pytest.raises(NotFoundError):
        states(Follower(server=FakeTaskServer(), clock=StepClock()))
