"""A scheduler that is killed while it stores what a real filer reports.

Each report is stored once or asked for again: the task ends as if nothing had happened.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from programs.chaos import KILLED
from programs.stack import Stack
from programs.waiting import eventually
from scenarios.scenario import codes, shell, system_logs
from servers.s3 import S3Service, s3_server

pytestmark = [pytest.mark.chaos, pytest.mark.engine]

_BUCKET = "reports"
_TESTS = Path(__file__).parents[1]
# Who writes, and whether that is in the first of two equal tasks or in the second,
# which takes over the results of the first.
_WRITERS = {
    "Transfers.progress": 0,
    "Transfers.add_output_files": 0,
    "Transfers.finish": 0,
    "CallChecks.add_identities": 0,
    "CallChecks.finish": 1,
}
_POINTS = [f"{place} {name}" for name in _WRITERS for place in ("written", "committed")]


class DyingStack(Stack):
    """A TESK whose scheduler dies at a point, if one is named."""

    point = ""

    def program(self, service: str) -> Sequence[str]:
        """Return what Python runs for a service."""
        if service != "scheduler" or not self.point:
            return super().program(service)
        return ("-m", KILLED, str(self.home / "points.txt"), *self.point.split(" "))

    def restart(self, point: str) -> None:
        """Start the scheduler anew; it dies at ``point``."""
        self.kill("scheduler")
        self.point = point
        self.start("scheduler")


@pytest.fixture
def service() -> Iterator[S3Service]:
    with s3_server(_BUCKET) as service:
        yield service


@pytest.fixture
def stack(service: S3Service, tmp_path: Path) -> Iterator[DyingStack]:
    """One whose tasks take over results of their owner."""
    environ = {
        **service.environ,
        "TESK_SCHEDULER_CALL_CACHE": "owner",
        "TESK_FILER_MAX_BYTES_PER_SECOND": "1000000",
        "PYTHONPATH": str(_TESTS),
    }
    stack = DyingStack(tmp_path, engine="container", environ=environ)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()


def _copying() -> dict[str, Any]:
    return {
        "inputs": [{"path": "/in/a", "url": f"s3://{_BUCKET}/a"}],
        "executors": [shell("cp /in/a /out/b", image="busybox")],
        "outputs": [
            {"path": "/out", "url": f"s3://{_BUCKET}/out", "type": "DIRECTORY"}
        ],
    }


@pytest.mark.parametrize("point", _POINTS)
def test_the_task_ends_as_if_nothing_had_happened(
    stack: DyingStack, service: S3Service, point: str
) -> None:
    client = service.client()
    writer = point.partition(" ")[2]
    # Progress is reported of what takes some seconds.
    content = b"x" * (4_000_000 if writer == "Transfers.progress" else 7)
    client.put_object(Bucket=_BUCKET, Key="a", Body=content)
    tasks = [stack.run(_copying()) for _ in range(_WRITERS[writer])]
    stack.restart(point)

    task_id = stack.create(_copying())
    eventually(lambda: not stack.pids("scheduler"), what="the point")
    stack.restart("")
    tasks.append(stack.finish(task_id))

    uploaded = {"url": f"s3://{_BUCKET}/out/b", "path": "/out/b"}
    ran = tasks[0]
    for task in tasks:
        assert task["state"] == "COMPLETE", task
        assert codes(task) == [0]
        assert task["logs"][0]["outputs"] == [
            {**uploaded, "size_bytes": str(len(content))}
        ]
        moved = [line for line in task["logs"][0]["system_logs"] if ": 1 file" in line]
        assert len(moved) == (2 if task is ran else 0), moved  # one in, one out
    assert client.get_object(Bucket=_BUCKET, Key="out/b")["Body"].read() == content
    last = stack.run(_copying())
    assert f"the results of task {ran['id']} count for" in system_logs(last)
