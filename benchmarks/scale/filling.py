"""Fills a store with finished tasks, by a few statements; and queues, by gRPC."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    case,
    cast,
    create_engine,
    func,
    insert,
    literal,
    select,
    text,
    true,
)

from tesk.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc
from tesk_model.states import TaskState
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke
from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.schema import STATE_NUMBERS, TASK

OWNERS = 200
_BATCH = 256
_MICROS = 1_000_000
_KEPT_DAYS, _EXPIRED_DAYS = 20, 40
# Ids of finished tasks: numbers of one length.
_FIRST_ID = 10_000_000_000


def template(seconds: float) -> task_pb2.Task:
    """Return a task of some 1.2 KB that runs so long."""
    return task_pb2.Task(
        executors=[task_pb2.Executor(image="busybox", command=["sleep", str(seconds)])],
        inputs=[
            task_pb2.Input(
                path=f"/in/{index}", url=f"s3://b/{index}", type=task_pb2.FILE_TYPE_FILE
            )
            for index in range(4)
        ],
        outputs=[
            task_pb2.Output(
                path="/out/0", url="s3://b/out/0", type=task_pb2.FILE_TYPE_FILE
            )
        ],
        resources=task_pb2.Resources(cpu_cores=1, ram_gb=1),
        description="x" * 700,
        tags={"run": "r1"},
    )


def fill_finished(url: str, count: int, *, expired: int = 0) -> None:
    """Add tasks that ended, with a tag, a log and an output file each.

    Args:
        url: Of the database.
        count: How many.
        expired: So many of them ended before what retention keeps.
    """
    engine = create_engine(url)
    with engine.begin() as connection:
        first = 1 + (connection.scalar(select(func.max(TASK.c.seq))) or 0)
        _insert(connection, first, count, expired)
        if engine.dialect.name == "postgresql":
            connection.execute(
                text(
                    "SELECT setval(pg_get_serial_sequence('task', 'seq'),"
                    " (SELECT max(seq) FROM task))"
                )
            )
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execute(text("ANALYZE"))
    engine.dispose()


def _insert(connection: Connection, first: int, count: int, expired: int) -> None:
    numbers = select(literal(first, BigInteger).label("n")).cte(
        "numbers", recursive=True
    )
    numbers = numbers.union_all(
        select(numbers.c.n + 1).where(numbers.c.n < first + count - 1)
    )
    n: ColumnElement[int] = numbers.c.n
    for table, values in _rows(n, first, expired):
        statement = insert(table).from_select(
            list(values), select(*values.values()).select_from(numbers)
        )
        connection.execute(statement)


def _rows(
    n: ColumnElement[int], first: int, expired: int
) -> Iterator[tuple[Any, dict[str, Any]]]:
    now = time.time_ns() // 1000
    day = 86_400 * _MICROS
    # Those that expired come first, by when they ended.
    age = case(
        (n < first + expired, literal(_EXPIRED_DAYS * day)),
        else_=literal(_KEPT_DAYS * day),
    )
    ended = literal(now) - age + (n - first)
    owner = literal("owner") + cast(n % OWNERS, Text)
    yield (
        TASK,
        {
            "seq": n,
            "id": cast(n + _FIRST_ID, Text),
            "owner": owner,
            "state": literal(STATE_NUMBERS[TaskState.COMPLETE]),
            "name": literal("task"),
            "name_key": literal("task"),
            "cpu_millis": literal(1000),
            "ram": literal(2**30),
            "disk": literal(2**30),
            "attempt": literal(1),
            "taskmaster": literal("tm-gone"),
            "released": true(),
            "last_sequence": literal(5),
            "reason": literal(""),
            "inputs_finished": true(),
            "outputs_finished": true(),
            "created": ended - 90 * _MICROS,
            "queued": ended - 90 * _MICROS,
            "started": ended - 60 * _MICROS,
            "ended": ended,
        },
    )
    body = template(60).SerializeToString()
    yield schema.DOCUMENT, {"task_seq": n, "body": literal(body)}
    yield (
        schema.TAG,
        {
            "task_seq": n,
            "key": literal("run"),
            "value": literal("r1"),
            "owner": owner,
        },
    )
    yield (
        schema.EXECUTOR_LOG,
        {
            "task_seq": n,
            "position": literal(0),
            "started": ended - 60 * _MICROS,
            "ended": ended,
            "exit_code": literal(0),
            "stdout": literal(b"hello\n"),
            "stderr": literal(b""),
        },
    )
    yield (
        schema.OUTPUT_FILE,
        {
            "task_seq": n,
            "fingerprint": literal("f" * 64),
            "position": literal(0),
            "url": literal("s3://b/out/0"),
            "path": literal("/out/0"),
            "size": literal(5),
        },
    )


def queue(
    address: str, token: str, count: int, *, seconds: float, owners: int = OWNERS
) -> None:
    """Create tasks in batches of one owner after the other."""
    with open_channel(address, token=token) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for first in range(0, count, _BATCH):
            size = min(_BATCH, count - first)
            caller = task_service_pb2.Caller(user=f"owner{first // _BATCH % owners}")
            create(stub, caller, [template(seconds)] * size)


def create(
    stub: task_service_pb2_grpc.TaskServiceStub,
    caller: task_service_pb2.Caller,
    tasks: list[task_pb2.Task],
) -> None:
    """Create a batch.

    Raises:
        AssertionError: One was refused.
    """
    request = task_service_pb2.BatchCreateTasksRequest(
        requests=[
            task_service_pb2.CreateTaskRequest(caller=caller, task=task)
            for task in tasks
        ]
    )
    answer = invoke(stub.BatchCreateTasks, request, timeout=timedelta(seconds=60))
    assert not any(result.HasField("error") for result in answer.results)
