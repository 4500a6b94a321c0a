"""Spans on their way to a collector."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from servers.collector import collector
from tesk_model.names import Attempt
from tesk_model.spans import NoTracer, Span, attempt_span_id, task_span_id, trace_id_of
from tesk_model.task import TaskId
from tesk_runtime.tracing import TracingSettings, open_tracer

ID = TaskId("t-1")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def span(**changes: object) -> Span:
    fields: dict[str, object] = {
        "name": "step x0",
        "task_id": ID,
        "parent": attempt_span_id(Attempt(ID, 1)),
        "start": NOON,
        "end": NOON + timedelta(seconds=1.5),
    }
    return Span(**(fields | changes))  # type: ignore[arg-type]  # a test's shorthand


def test_tracing_is_off_by_default() -> None:
    assert isinstance(open_tracer("filer", TracingSettings()), NoTracer)


def test_a_span_arrives_with_the_ids_of_its_task() -> None:
    with collector() as kept:
        tracer = open_tracer("filer", TracingSettings(endpoint=kept.url))
        tracer.record(span(failed=True, attributes={"tesk.reason": "EVICTED"}))
        tracer.close()

    (received,) = kept.spans
    assert (received.service, received.name) == ("tesk-filer", "step x0")
    assert int(received.trace, 16) == trace_id_of(ID)
    assert int(received.parent, 16) == attempt_span_id(Attempt(ID, 1))
    assert received.end - received.start == 1_500_000_000
    assert received.start == int(NOON.timestamp()) * 1_000_000_000
    assert received.failed
    assert received.attributes == {"tesk.task_id": "t-1", "tesk.reason": "EVICTED"}


def test_the_root_has_the_id_that_others_take_for_their_parent() -> None:
    with collector() as kept:
        tracer = open_tracer("scheduler", TracingSettings(endpoint=kept.url))
        tracer.record(span(parent=task_span_id(ID)))
        tracer.record(span(parent=None, id=task_span_id(ID)))
        tracer.close()

    child, root = kept.spans
    assert (child.parent, root.parent) == (root.id, "")
    assert child.id != root.id


def test_a_collector_that_is_away_holds_nobody_up() -> None:
    tracer = open_tracer("filer", TracingSettings(endpoint="http://127.0.0.1:9/v1"))
    for _ in range(5000):
        tracer.record(span())

    began = time.monotonic()
    tracer.close()

    assert time.monotonic() - began < 40


@pytest.mark.parametrize("other", ["t-2", "t-11"])
def test_ids_differ_between_tasks_and_attempts(other: str) -> None:
    assert trace_id_of(TaskId(other)) != trace_id_of(ID)
    assert task_span_id(TaskId(other)) != task_span_id(ID)
    assert attempt_span_id(Attempt(ID, 2)) != attempt_span_id(Attempt(ID, 1))
