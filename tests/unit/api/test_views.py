"""Each view shows its fields and no others."""

import json
from typing import Any

import msgspec
import pytest

from builders.tasks import make_task_json
from tesk.v1 import task_pb2 as pb
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.views import TaskViews, live_view
from tesk_model.task import TaskView
from tesk_runtime.rpc.wire import task_to_wire

BODY: dict[str, Any] = {
    "name": "md5",
    "description": "",
    "inputs": [
        {"path": "/in/a", "content": "hello", "type": "FILE"},
        {"path": "/in/d", "url": "s3://b/d", "type": "DIRECTORY", "streamable": False},
    ],
    "outputs": [
        {"path": "/o/*.txt", "path_prefix": "/o", "url": "s3://b/x", "type": "FILE"}
    ],
    "resources": {
        "cpu_cores": 2,
        "ram_gb": 0.5,
        "disk_gb": 0,
        "zones": ["a"],
        "preemptible": False,
        "backend_parameters": {"vmsize": "x"},
        "backend_parameters_strict": False,
    },
    "executors": [
        {
            "image": "alpine",
            "command": ["md5sum", ""],
            "stdout": "/o/sum.txt",
            "workdir": "/",
            "env": {"A": ""},
            "ignore_error": False,
        },
        {"image": "alpine", "command": ["true"]},
    ],
    "volumes": ["/vol/A/"],
    "tags": {"k": "v", "empty": ""},
}
TIMES = {
    "start_time": "2026-11-22T10:00:00Z",
    "end_time": "2026-11-22T10:00:01.250000Z",
}
FILE = {
    "url": "s3://b/x/sum.txt",
    "path": "/o/sum.txt",
    "size_bytes": "9007199254740993",
}


def stored(body: dict[str, Any]) -> pb.Task:
    parser = TaskParser(backend_parameters={"VmSize": ()})
    task = task_to_wire(parser.parse(json.dumps(body).encode()).task)
    task.id = "t-1"
    task.state = pb.TASK_STATE_RUNNING
    task.reason, task.reason_code = "pulling alpine", "IMAGE_PULLING"
    task.creation_time.FromJsonString("2026-11-22T09:59:59.123Z")
    return task


def running() -> pb.Task:
    """Return a task whose first executor has ended and second one runs."""
    task = stored(BODY)
    log = task.logs.add()
    log.start_time.FromJsonString(TIMES["start_time"])
    log.metadata["node"] = "worker-3"
    log.system_logs.append("a line")
    log.outputs.add(url=FILE["url"], path=FILE["path"], size_bytes=2**53 + 1)
    ended = log.logs.add(exit_code=0, stdout="out", stderr="")
    ended.start_time.FromJsonString(TIMES["start_time"])
    ended.end_time.FromJsonString(TIMES["end_time"])
    log.logs.add(stdout="so far").start_time.FromJsonString(TIMES["end_time"])
    return task


def rendered(task: pb.Task, view: TaskView, **options: bool) -> Any:
    document = TaskViews(**options).renderer(view)(task)
    return json.loads(msgspec.json.encode(document))


def shown_live(task: pb.Task) -> Any:
    return json.loads(msgspec.json.encode(live_view(task)))


def test_minimal_shows_id_and_state_only() -> None:
    assert rendered(running(), TaskView.MINIMAL) == {"id": "t-1", "state": "RUNNING"}


def test_full_shows_the_task_as_sent_and_its_logs() -> None:
    want = BODY | {
        "id": "t-1",
        "state": "RUNNING",
        "creation_time": "2026-11-22T09:59:59.123000Z",
        "logs": [
            {
                "start_time": TIMES["start_time"],
                "logs": [TIMES | {"exit_code": 0, "stdout": "out", "stderr": ""}],
                "outputs": [FILE],
                "metadata": {"node": "worker-3"},
                "system_logs": ["a line"],
            }
        ],
    }

    assert rendered(running(), TaskView.FULL) == want


def test_basic_is_full_without_contents_streams_and_system_logs() -> None:
    want = rendered(running(), TaskView.FULL)
    del want["inputs"][0]["content"]
    del want["logs"][0]["system_logs"]
    del want["logs"][0]["logs"][0]["stdout"]
    del want["logs"][0]["logs"][0]["stderr"]

    assert rendered(running(), TaskView.BASIC) == want


def test_a_queued_task_has_no_logs_and_no_fields_that_were_not_sent() -> None:
    body = make_task_json(inputs=[{"path": "/a", "url": "/x"}])

    assert rendered(stored(body), TaskView.FULL) == body | {
        "id": "t-1",
        "state": "RUNNING",
        "creation_time": "2026-11-22T09:59:59.123000Z",
        "inputs": [{"path": "/a", "url": "/x", "type": "FILE"}],
    }


NUMBERS = {
    "integral": (2.0, "2"),
    "fractional": (1.5, "1.5"),
    "large": (1e9, "1000000000"),
}


@pytest.mark.parametrize(("cores", "want"), NUMBERS.values(), ids=NUMBERS)
def test_cores_are_whole_numbers_if_they_can_be(cores: float, want: str) -> None:
    task = stored(make_task_json(resources={"cpu_cores": cores}))

    document = TaskViews().renderer(TaskView.BASIC)(task)

    assert f'"cpu_cores":{want}}}'.encode() in msgspec.json.encode(document)


@pytest.mark.parametrize(
    ("state", "hidden", "want"),
    [
        (pb.TASK_STATE_QUEUED, False, "QUEUED"),
        (pb.TASK_STATE_QUEUED, True, "INITIALIZING"),
        (pb.TASK_STATE_CANCELING, True, "CANCELING"),
    ],
)
def test_queued_can_be_shown_as_initializing(
    state: "pb.TaskState.ValueType", *, hidden: bool, want: str
) -> None:
    task = pb.Task(id="t-1", state=state)

    shown = rendered(task, TaskView.MINIMAL, queued_as_initializing=hidden)

    assert shown["state"] == want


def test_live_view_shows_the_executor_that_runs() -> None:
    assert shown_live(running()) == {
        "id": "t-1",
        "state": "RUNNING",
        "reason": "pulling alpine",
        "reason_code": "IMAGE_PULLING",
        "transfers": [],
        "input_sizes": [],
        "metadata": {"node": "worker-3"},
        "executors": [
            TIMES | {"index": 0, "exit_code": 0, "stdout": "out", "stderr": ""},
            {
                "index": 1,
                "start_time": TIMES["end_time"],
                "stdout": "so far",
                "stderr": "",
            },
        ],
        "outputs": [FILE],
        "system_logs": ["a line"],
    }


def test_live_view_shows_how_far_transfers_are() -> None:
    task = stored(make_task_json())
    task.transfers.add(
        direction="inputs",
        files_done=1,
        files_total=2,
        bytes_done=2**40,
        bytes_per_second=7,
        path="/a",
        url="s3://b/a",
    )

    assert shown_live(task)["transfers"] == [
        {
            "direction": "inputs",
            "files_done": "1",
            "files_total": "2",
            "bytes_done": "1099511627776",
            "bytes_total": "0",
            "bytes_per_second": "7",
            "path": "/a",
            "url": "s3://b/a",
        }
    ]


def lost_and_waiting() -> pb.Task:
    """Return a task whose first attempt was lost, before the second."""
    task = stored(make_task_json())
    task.state = pb.TASK_STATE_QUEUED
    task.reason, task.reason_code = "waiting for 4 cpu: 2 free", "CAPACITY_FULL"
    log = task.logs.add(system_logs=["attempt 1 was lost: its node is gone"])
    log.start_time.FromJsonString(TIMES["start_time"])
    return task


def test_after_a_lost_attempt_one_log_without_executors_is_shown() -> None:
    full = rendered(lost_and_waiting(), TaskView.FULL)
    basic = rendered(lost_and_waiting(), TaskView.BASIC)

    log = {"start_time": TIMES["start_time"], "logs": [], "outputs": []}
    lines = ["attempt 1 was lost: its node is gone"]
    assert full["state"] == "QUEUED"
    assert full["logs"] == [log | {"system_logs": lines}]
    assert basic["logs"] == [log]


def test_live_view_shows_why_a_task_waits_before_and_between_attempts() -> None:
    waiting = stored(make_task_json())
    waiting.state = pb.TASK_STATE_QUEUED
    nothing: dict[str, Any] = {
        "transfers": [],
        "input_sizes": [],
        "metadata": {},
        "executors": [],
        "outputs": [],
        "system_logs": [],
    }

    assert shown_live(waiting) == nothing | {
        "id": "t-1",
        "state": "QUEUED",
        "reason": "pulling alpine",
        "reason_code": "IMAGE_PULLING",
    }
    assert shown_live(lost_and_waiting()) == nothing | {
        "id": "t-1",
        "state": "QUEUED",
        "reason": "waiting for 4 cpu: 2 free",
        "reason_code": "CAPACITY_FULL",
        "system_logs": ["attempt 1 was lost: its node is gone"],
    }
