"""No field of ``task.proto`` is lost between a client and the store."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from werkzeug.test import Client

from clients.rest_answers import document
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import INFO, counted, make_client
from schedulers.running import running_scheduler
from schedulers.served import RunningScheduler
from schedulers.transfers import IN, OUT, Transfer, assigned_attempt
from tesk.v1 import assignment_service_pb2, task_pb2
from tesk_api.adapters.scheduler_client import SchedulerClient
from tesk_scheduler.config import SchedulerSettings

Json = dict[str, Any]

# What the server alone says of a task.
SERVER = frozenset({"id", "state", "logs", "creation_time"})
# Beyond TES: in the live view alone.
EXTENSIONS = frozenset(
    {"reason", "reason_code", "transfers", "wait", "charged", "input_sizes"}
)
EXTENSIONS_OF_LOGS = frozenset({"logs.logs.cpu_seconds", "logs.logs.max_memory_bytes"})
# Where not any value will do.
VALUES: Json = {
    "backend_parameters": {"key": "value"},
    "cpu_cores": 2,
    "type": "FILE",
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningScheduler]:
    with running_scheduler(tmp_path, SchedulerSettings()) as running:
        yield running


@pytest.fixture
def client(running: RunningScheduler) -> Client:
    scheduler = SchedulerClient(running.channel, new_key=counted("key"))
    info = replace(INFO, backend_parameters={"key": ()})
    return make_client(MemoryScheduler(), tasks=scheduler, info=info)


def example(message: Descriptor, *, without: frozenset[str] = frozenset()) -> Json:
    """Return a value for each field of a message, as JSON."""
    return {
        field.name: VALUES[field.name] if field.name in VALUES else value(field)
        for field in message.fields
        if field.name not in without
    }


def value(field: FieldDescriptor) -> Any:
    if field.message_type and field.message_type.GetOptions().map_entry:
        return {"key": "value"}
    if field.message_type:
        one: Any = example(field.message_type)
    else:
        one = {
            FieldDescriptor.CPPTYPE_STRING: f"/{field.name}",
            FieldDescriptor.CPPTYPE_BOOL: True,
            FieldDescriptor.CPPTYPE_DOUBLE: 0.5,
        }[field.cpp_type]
    return [one] if field.is_repeated else one


def missing(message: Descriptor, found: Json, path: str = "") -> Iterator[str]:
    """Yield the fields of a message that ``found`` lacks."""
    for field in message.fields:
        name = f"{path}{field.name}"
        inner = field.message_type
        if field.name not in found:
            yield name
        elif inner and inner.file is message.file and not inner.GetOptions().map_entry:
            entry = found[field.name]
            entry = entry[0] if field.is_repeated else entry
            yield from missing(inner, entry, f"{name}.")


def run_to_its_end(running: RunningScheduler) -> None:
    """Let something be logged in each field of a task's log."""
    now = Timestamp()
    now.GetCurrentTime()
    with assigned_attempt(running) as transfer:
        report(transfer, note="a line")
        report(
            transfer, metadata=assignment_service_pb2.Metadata(entries={"node": "n"})
        )
        size = task_pb2.InputSize(index=0, files=1, size_bytes=8)
        transfer.finish(IN, files=1, bytes=8, input_sizes=[size])
        transfer.run_executors(
            start_time=now,
            end_time=now,
            exit_code=0,
            stdout="out",
            stderr="err",
            cpu_seconds=1.5,
            max_memory_bytes=7,
        )
        transfer.add(task_pb2.OutputFileLog(url="/url", path="/path", size_bytes=5))
        transfer.finish(OUT)
        report(
            transfer,
            finished=assignment_service_pb2.Finished(
                outcome=assignment_service_pb2.OUTCOME_COMPLETE
            ),
        )


def report(transfer: Transfer, **event: Any) -> None:
    transfer.assignment.last_sequence += 1
    made = assignment_service_pb2.TaskEvent(
        attempt=transfer.attempt,
        sequence=transfer.assignment.last_sequence,
        **event,
    )
    made.time.GetCurrentTime()
    transfer.taskmaster.report([made])


def test_every_field_comes_back_as_it_was_sent(client: Client) -> None:
    body = example(task_pb2.Task.DESCRIPTOR, without=SERVER | EXTENSIONS)

    created = client.post("/v1/tasks", json=body)

    assert created.status_code == 200, created.text
    task_id = document(created)["id"]
    full = document(client.get(f"/v1/tasks/{task_id}?view=FULL"))
    assert {name: full.get(name) for name in body} == body


def test_every_field_of_a_task_that_has_ended_is_shown(
    running: RunningScheduler, client: Client
) -> None:
    body = example(task_pb2.Task.DESCRIPTOR, without=SERVER | EXTENSIONS)
    task_id = document(client.post("/v1/tasks", json=body))["id"]
    run_to_its_end(running)

    full = document(client.get(f"/v1/tasks/{task_id}?view=FULL"))
    live = document(client.get(f"/tesk/v1/tasks/{task_id}"))

    assert (
        set(missing(task_pb2.Task.DESCRIPTOR, full)) == EXTENSIONS | EXTENSIONS_OF_LOGS
    )
    assert set(live) >= EXTENSIONS - {"wait"}  # it waits for nothing any more
    (executor,) = live["executors"]
    assert (executor["cpu_seconds"], executor["max_memory_bytes"]) == (1.5, "7")
    assert live["input_sizes"] == [{"index": 0, "files": "1", "size_bytes": "8"}]
    assert live["charged"].keys() == {"cpu_cores", "ram_gb", "disk_gb"}
    (log,) = full["logs"]
    assert log["metadata"] == {
        "node": "n",
        "inputs": "1 file, 8 B",
        "outputs": "0 files, 0 B",
        "executors[0].cpu_seconds": "1.500",
        "executors[0].max_memory_bytes": "7",
    }


def resolved(schemas: Json, schema: Json) -> Json:
    """Return the schema of an object, behind references, lists and nulls."""
    for part in schema.get("anyOf", ()):
        if part.get("type") != "null":
            return resolved(schemas, part)
    if "$ref" in schema:
        return resolved(schemas, schemas[schema["$ref"].rpartition("/")[2]])
    if "items" in schema:
        return resolved(schemas, schema["items"])
    return schema


def undocumented(
    message: Descriptor, schemas: Json, schema: Json, path: str = ""
) -> Iterator[str]:
    """Yield the fields of a message of which a schema has nothing."""
    properties = resolved(schemas, schema)["properties"]
    for field in message.fields:
        name = f"{path}{field.name}"
        inner = field.message_type
        if field.name not in properties:
            yield name
        elif properties[field.name].get("readOnly"):
            continue
        elif inner and inner.file is message.file and not inner.GetOptions().map_entry:
            yield from undocumented(inner, schemas, properties[field.name], f"{name}.")


SCHEMAS = {"Task": EXTENSIONS | EXTENSIONS_OF_LOGS, "TaskBody": EXTENSIONS}


@pytest.mark.parametrize(("schema", "beyond_tes"), SCHEMAS.items())
def test_every_field_is_documented(
    client: Client, schema: str, beyond_tes: frozenset[str]
) -> None:
    schemas = document(client.get("/openapi.json"))["components"]["schemas"]

    found = undocumented(task_pb2.Task.DESCRIPTOR, schemas, schemas[schema])

    assert set(found) == beyond_tes
