"""A task survives the wire."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk.v1 import task_pb2 as pb
from tesk_model.errors import InvalidRequestError
from tesk_model.states import TaskState
from tesk_model.task import (
    Executor,
    ExecutorLog,
    FileType,
    Input,
    Output,
    OutputFileLog,
    Resources,
    Task,
    TaskId,
    TaskLog,
    TaskView,
)
from tesk_runtime.rpc import wire

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
OPTIONAL = st.none() | TEXT
FLAG = st.none() | st.booleans()
AMOUNT = st.none() | st.floats(min_value=0, allow_infinity=False)
TIME = st.none() | st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
MAP = st.dictionaries(TEXT, TEXT, max_size=3)
TYPE = st.sampled_from(FileType)


def several(
    strategy: st.SearchStrategy[object],
) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


INPUTS = st.builds(
    Input,
    path=TEXT,
    url=OPTIONAL,
    content=OPTIONAL,
    type=TYPE,
    name=OPTIONAL,
    description=OPTIONAL,
    streamable=FLAG,
)
OUTPUTS = st.builds(
    Output,
    path=TEXT,
    url=TEXT,
    path_prefix=OPTIONAL,
    type=TYPE,
    name=OPTIONAL,
    description=OPTIONAL,
)
EXECUTORS = st.builds(
    Executor,
    image=TEXT,
    command=st.lists(TEXT).map(tuple),
    workdir=OPTIONAL,
    stdin=OPTIONAL,
    stdout=OPTIONAL,
    stderr=OPTIONAL,
    env=MAP,
    ignore_error=FLAG,
)
RESOURCES = st.builds(
    Resources,
    cpu_cores=AMOUNT,
    ram_gb=AMOUNT,
    disk_gb=AMOUNT,
    preemptible=FLAG,
    zones=st.lists(TEXT).map(tuple),
    backend_parameters=MAP,
    backend_parameters_strict=FLAG,
)
EXECUTOR_LOGS = st.builds(
    ExecutorLog,
    start_time=TIME,
    end_time=TIME,
    stdout=TEXT,
    stderr=TEXT,
    exit_code=st.none() | st.integers(0, 255),
)
FILES = st.builds(OutputFileLog, url=TEXT, path=TEXT, size_bytes=st.integers(0, 2**62))
LOGS = st.builds(
    TaskLog,
    start_time=TIME,
    end_time=TIME,
    logs=several(EXECUTOR_LOGS),
    outputs=several(FILES),
    metadata=MAP,
    system_logs=st.lists(TEXT).map(tuple),
)
TASKS = st.builds(
    Task,
    executors=several(EXECUTORS),
    id=st.none() | st.just(TaskId("t-1")),
    state=st.none() | st.sampled_from(TaskState),
    name=OPTIONAL,
    description=OPTIONAL,
    inputs=several(INPUTS),
    outputs=several(OUTPUTS),
    resources=st.none() | RESOURCES,
    volumes=st.lists(TEXT).map(tuple),
    tags=MAP,
    logs=several(LOGS),
    creation_time=TIME,
    reason=TEXT,
    reason_code=TEXT,
)


@given(TASKS)
def test_a_task_comes_back_as_it_went(task: Task) -> None:
    message = pb.Task.FromString(wire.task_to_wire(task).SerializeToString())

    assert wire.task_from_wire(message) == task


@pytest.mark.parametrize("state", TaskState)
def test_every_state_has_a_value_on_the_wire(state: TaskState) -> None:
    assert wire.state_from_wire(wire.state_to_wire(state)) is state


@pytest.mark.parametrize("view", TaskView)
def test_every_view_has_a_value_on_the_wire(view: TaskView) -> None:
    assert wire.view_from_wire(wire.view_to_wire(view)) is view


def test_an_unspecified_file_type_is_refused() -> None:
    message = pb.Task(inputs=[pb.Input(path="/a")])

    with pytest.raises(InvalidRequestError, match="type: 0 is not a FileType"):
        wire.task_from_wire(message)


def test_times_keep_microseconds() -> None:
    time = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(microseconds=123456)

    assert wire.timestamp_from_wire(wire.timestamp_to_wire(time)) == time
