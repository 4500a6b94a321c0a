"""What the api may expect of a scheduler that tells its load."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, cast

import grpc
import pytest

from builders.tasks import make_task
from fakes.api_process import TOKEN, serve_scheduler
from fakes.api_scheduler import InProcessChannel, MemoryScheduler
from schedulers.running import running_scheduler
from tesk_api.adapters.load_client import LoadClient
from tesk_api.adapters.scheduler_client import SchedulerClient
from tesk_api.domain.requests import Caller, NewTask
from tesk_model.errors import InvalidRequestError, NotFoundError
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.server import RpcServer
from tesk_scheduler.config import SchedulerSettings

ADMIN = Caller(user="root", admin=True)


class Subject(NamedTuple):
    """A reader, and what creates and cancels tasks beside it."""

    load: LoadClient
    tasks: SchedulerClient


def subject_on(channel: grpc.Channel) -> Subject:
    tasks = SchedulerClient(channel, new_key=lambda: uuid.uuid4().hex)
    return Subject(LoadClient(channel), tasks)


@contextmanager
def in_process(_folder: Path) -> Iterator[Subject]:
    yield subject_on(cast("grpc.Channel", InProcessChannel(MemoryScheduler())))


@contextmanager
def over_grpc(folder: Path) -> Iterator[Subject]:
    address = f"unix:{folder}/scheduler.sock"
    with (
        serve_scheduler(MemoryScheduler(), address),
        open_channel(address, token=TOKEN) as channel,
    ):
        yield subject_on(channel)


@contextmanager
def the_scheduler(folder: Path) -> Iterator[Subject]:
    """Run the real one, whose taskmasters never come up."""
    with running_scheduler(folder, SchedulerSettings()) as running:
        yield subject_on(running.channel)


Start = Callable[[Path], AbstractContextManager[Subject]]
SUBJECTS: list[Start] = [in_process, over_grpc, the_scheduler]


@pytest.fixture(params=SUBJECTS, ids=lambda start: start.__name__)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    start: Start = request.param
    with start(tmp_path) as subject:
        yield subject


def test_users_see_their_own_tasks_and_admins_all(subject: Subject) -> None:
    for user in ("alice", "alice", "bob"):
        subject.tasks.create(Caller(user=user), NewTask(task=make_task()))

    def known(caller: Caller) -> dict[str | None, float]:
        owners = subject.load.read(caller, 6).owners
        return {
            each.user: each.used.get("queued", 0) + each.used.get("running", 0)
            for each in owners
        }

    assert known(Caller(user="alice")) == {"alice": 2}
    assert known(Caller(user="eve")) == {"eve": 0}
    assert known(ADMIN) == {None: 3, "alice": 2, "bob": 1}


def test_what_happened_is_told_by_intervals(subject: Subject) -> None:
    alice = Caller(user="alice")
    subject.tasks.create(alice, NewTask(task=make_task()))

    for hours, count in {1: 30, 6: 36, 24: 48}.items():
        intervals = subject.load.read(alice, hours).intervals
        assert len(intervals) == count
        assert [each.end for each in intervals[:-1]] == [
            each.start for each in intervals[1:]
        ]
        assert sum(each.queued for each in intervals) == 1
        assert intervals[-1].start <= subject.load.read(alice, hours).read_at


def test_a_scheduler_of_an_earlier_release_is_told(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/scheduler.sock"
    earlier = RpcServer(
        services=(), register=lambda _server: None, interceptors=[], threads=1
    )
    earlier.start(address)
    with (
        open_channel(address, token=TOKEN) as channel,
        pytest.raises(NotFoundError, match="earlier release"),
    ):
        LoadClient(channel).read(ADMIN, 6)
    earlier.stop(timedelta())


def test_other_hours_are_refused(subject: Subject) -> None:
    with pytest.raises(InvalidRequestError, match="hours"):
        subject.load.read(ADMIN, 7)
