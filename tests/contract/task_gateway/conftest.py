"""The schedulers that must behave alike behind a gateway.

A subject is a gateway and the means to bring its tasks into a state; a new
scheduler joins by adding itself to ``SUBJECTS``.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

import grpc
import pytest

from builders.tasks import make_task
from fakes.api_process import TOKEN, serve_scheduler
from fakes.api_scheduler import InProcessChannel, MemoryScheduler
from fakes.api_server import counted
from programs.waiting import eventually
from tesk.v1 import task_pb2 as pb
from tesk_api.adapters.scheduler_client import SchedulerClient
from tesk_api.domain.requests import Caller, NewTask, TaskQuery
from tesk_api.ports import TaskGateway
from tesk_model.states import TaskState
from tesk_runtime.rpc.channel import open_channel

Gateway = TaskGateway[pb.Task]


@contextmanager
def in_process(_folder: Path) -> Iterator[Gateway]:
    channel = cast("grpc.Channel", InProcessChannel(MemoryScheduler()))
    yield SchedulerClient(channel, new_key=counted("key"))


@contextmanager
def over_grpc(folder: Path) -> Iterator[Gateway]:
    address = f"unix:{folder}/scheduler.sock"
    with (
        serve_scheduler(MemoryScheduler(), address),
        open_channel(address, token=TOKEN) as channel,
    ):
        yield SchedulerClient(channel, new_key=counted("key"))


@contextmanager
def the_scheduler(folder: Path) -> Iterator[Gateway]:
    """Start the real one, with one place to run that a first task holds.

    Its taskmasters find no engine, so that nothing runs and nothing is left.
    """
    address = f"unix:{folder}/scheduler.sock"
    token = folder / "token"
    token.write_text(TOKEN, encoding="ascii")
    environ = os.environ | {
        "TESK_HOME": str(folder),
        "TESK_GRPC_TOKEN_FILE": str(token),
        "TESK_GRPC_SCHEDULER": address,
        "TESK_SCHEDULER_LISTEN": address,
        "TESK_QUOTA_EVERYBODY": "{running: 1}",
        "TESK_ENGINE": "container",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    }
    process = subprocess.Popen([sys.executable, "-m", "tesk_scheduler"], env=environ)
    try:
        with open_channel(address, token=TOKEN) as channel:
            grpc.channel_ready_future(channel).result(timeout=100)
            gateway = SchedulerClient(channel, new_key=lambda: uuid.uuid4().hex)
            _occupy(gateway)
            yield gateway
    finally:
        process.terminate()
        process.wait(100)


def _occupy(gateway: Gateway) -> None:
    caller = Caller(user="first")
    gateway.create(caller, NewTask(task=make_task()))
    queued = TaskQuery(state=TaskState.QUEUED)
    eventually(
        lambda: not gateway.list_page(caller, queued).tasks,
        what="the admission of the first task",
    )


SUBJECTS: dict[str, Callable[[Path], AbstractContextManager[Gateway]]] = {
    "memory, in process": in_process,
    "memory, over gRPC": over_grpc,
    "the scheduler": the_scheduler,
}


@pytest.fixture(scope="module", params=list(SUBJECTS.values()), ids=list(SUBJECTS))
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with request.param(tmp_path_factory.mktemp("subject")) as subject:
        yield subject


@pytest.fixture
def alice() -> Caller:
    """Return a user without tasks, for one test."""
    return Caller(user=uuid.uuid4().hex)


@pytest.fixture
def bob() -> Caller:
    """Return another one."""
    return Caller(user=uuid.uuid4().hex)
