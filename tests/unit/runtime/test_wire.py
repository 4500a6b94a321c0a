"""A task survives the wire."""

from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk.v1 import task_pb2 as pb
from tesk_model.errors import InvalidRequestError
from tesk_model.fields import DocumentField, Shape, document_fields
from tesk_model.states import TaskState
from tesk_model.task import Task, TaskView
from tesk_runtime.rpc import wire
from tesk_runtime.rpc.documents import timestamp_from_wire, timestamp_to_wire

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
TIMES = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SCALARS: dict[type, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(0, 2**31 - 1),
    float: st.floats(min_value=0, allow_infinity=False),
    datetime: TIMES,
}


def values(field: DocumentField) -> st.SearchStrategy[Any]:
    if is_dataclass(field.type):
        one: st.SearchStrategy[Any] = documents(field.type)
    elif issubclass(field.type, Enum):
        one = st.sampled_from(field.type)
    else:
        # The wire has no id that is empty.
        one = st.just("t-1") if field.name == "id" else SCALARS[field.type]
    if field.shape is Shape.REPEATED:
        return st.lists(one, max_size=2).map(tuple)
    if field.shape is Shape.MAP:
        return st.dictionaries(TEXT, one, max_size=3)
    return st.none() | one if field.optional else one


def documents(kind: Any) -> st.SearchStrategy[Any]:
    return st.builds(
        kind, **{field.name: values(field) for field in document_fields(kind)}
    )


@given(documents(Task))
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

    assert timestamp_from_wire(timestamp_to_wire(time)) == time
