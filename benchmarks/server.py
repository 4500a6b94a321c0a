"""The server that is measured: real services on a throw-away state folder."""

import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from load import Request
from processes import with_children
from programs.stack import Stack
from tesk.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke

BASE = "/ga4gh/tes/v1/tasks"
_BATCH = 256

# Nothing is refused because of numbers, and what is posted stays queued behind
# one task that takes all cores, unless the benchmark wants it to run.
_NO_LIMITS = {"TESK_QUOTA_USERS": "{}", "TESK_QUOTA_EVERYBODY": "{}"}


@contextmanager
def measured_server(
    *, engine: str = "sandbox", environ: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """Give a running server with its defaults, but for ``environ``."""
    environ = {**_NO_LIMITS, "TESK_LOG_LEVEL": "warning", **(environ or {})}
    with TemporaryDirectory(prefix="tesk-bench-") as folder:
        stack = Stack(Path(folder), engine=engine, environ=environ)
        try:
            stack.start()
            yield stack
        finally:
            stack.close()


def services(stack: Stack) -> dict[str, list[int]]:
    """Return the processes of each service, children included."""
    return {
        "api": with_children(stack.pids("api")),
        "scheduler": stack.pids("scheduler"),
        "taskmaster": stack.pids("taskmaster"),
    }


def body_of_size(size: int) -> bytes:
    """Return a JSON task of about ``size`` bytes, as an engine would post it."""
    task = {
        "name": "NF:ALIGN (sample 1)",
        "inputs": [
            {
                "path": f"/work/in{index}.fastq.gz",
                "url": f"s3://bucket/run/in{index}.gz",
            }
            for index in range(4)
        ],
        "outputs": [
            {"path": f"/work/out{index}.bam", "url": f"s3://bucket/run/out{index}.bam"}
            for index in range(2)
        ],
        "resources": {"cpu_cores": 1, "ram_gb": 0.5},
        "executors": [
            {
                "image": "quay.io/biocontainers/bwa:0.7.17",
                "command": ["/bin/bash", "-c", "bwa mem ref.fa in0.fastq.gz"],
                "workdir": "/work",
                "stdout": "/work/.command.out",
            }
        ],
        "tags": {"run": "r1"},
        "description": "",
    }
    task["description"] = "x" * max(0, size - len(json.dumps(task)))
    return json.dumps(task).encode()


def block(stack: Stack) -> None:
    """Occupy all cores with one task, so that all others stay queued."""
    task_id = stack.create(
        {
            "executors": [{"image": "busybox", "command": ["sleep", "100000"]}],
            "resources": {"cpu_cores": stack.machine_cores()},
        }
    )
    stack.wait_for(task_id, "RUNNING")


def fill(stack: Stack, count: int, first: int) -> list[str]:
    """Create tasks number ``first`` … in bulk, by gRPC; return their ids.

    One in a hundred has a name with the prefix ``rare-``; ten of them all have
    the tag ``ten``; each has the tag ``run``.
    """
    token = Path(stack.environ["TESK_GRPC_TOKEN_FILE"]).read_text()
    address = stack.environ["TESK_GRPC_SCHEDULER"]
    template = task_pb2.Task(
        executors=[task_pb2.Executor(image="busybox", command=["true"])],
        inputs=[
            task_pb2.Input(
                path=f"/in/{index}", url=f"s3://b/{index}", type=task_pb2.FILE_TYPE_FILE
            )
            for index in range(4)
        ],
        description="x" * 700,
        tags={"run": "r1"},
    )
    ids: list[str] = []
    with open_channel(address, token=token) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for start in range(first, first + count, _BATCH):
            numbers = range(start, min(start + _BATCH, first + count))
            request = task_service_pb2.BatchCreateTasksRequest(
                requests=_requests(template, numbers)
            )
            answer = invoke(
                stub.BatchCreateTasks, request, timeout=timedelta(seconds=60)
            )
            ids.extend(result.task_id for result in answer.results)
    return ids


def _requests(
    template: task_pb2.Task, numbers: Iterable[int]
) -> Iterator[task_service_pb2.CreateTaskRequest]:
    for number in numbers:
        task = task_pb2.Task()
        task.CopyFrom(template)
        task.name = f"rare-{number}" if number % 100 == 0 else f"task-{number}"
        if number < 10:
            task.tags["ten"] = "yes"
        yield task_service_pb2.CreateTaskRequest(
            caller=task_service_pb2.Caller(), task=task
        )


def get(stack: Stack, path: str) -> dict[str, object]:
    """Return the JSON of one GET."""
    with urllib.request.urlopen(f"{stack.url}{path}") as answer:
        document: dict[str, object] = json.load(answer)
        return document


def listing(query: str) -> Request:
    """Return the request of one page of the list."""
    return Request("GET", f"{BASE}?{query}")
