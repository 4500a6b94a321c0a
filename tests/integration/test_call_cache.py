"""A task that was run before has its results at once; real services, containers, S3."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from programs.stack import Stack, running_stack
from programs.waiting import eventually
from scenarios.scenario import shell, system_logs
from servers.s3 import S3Service, s3_server

pytestmark = pytest.mark.engine
MOVING = "tesk-test-moving:1"


@pytest.fixture(scope="module")
def service() -> Iterator[S3Service]:
    with s3_server("work") as service:
        yield service


@pytest.fixture(scope="module")
def stack(
    service: S3Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One whose tasks take over results of their owner."""
    environ = {**service.environ, "TESK_SCHEDULER_CALL_CACHE": "owner"}
    folder = tmp_path_factory.mktemp("cached")
    with running_stack(folder, engine="container", environ=environ) as running:
        yield running


def put(service: S3Service, key: str, text: str) -> None:
    service.client().put_object(Bucket="work", Key=key, Body=text.encode())


def read(service: S3Service, key: str) -> str:
    found = service.client().get_object(Bucket="work", Key=key)
    return found["Body"].read().decode()


@pytest.fixture
def move_tag() -> Iterator[Callable[[], None]]:
    """Give an image a name of its own, and later the name to another image."""
    repository, _, tag = MOVING.partition(":")
    with contextlib.closing(docker.from_env()) as client:
        client.images.get("busybox").tag(repository, tag)

        def move() -> None:
            container = client.containers.create("busybox")
            container.commit(repository, tag, changes="LABEL moved=1")
            container.remove()

        yield move
        client.images.remove(MOVING, force=True)


def sorting(case: str, image: str = "busybox", **fields: Any) -> dict[str, object]:
    """Return a task of a case of its own; it says when it runs."""
    script = "cat /in/a /in/d/* | sort > /out/all; date +%s%N > /out/at; cat /out/at"
    return {
        "inputs": [
            {"path": "/in/a", "url": f"s3://work/{case}/a"},
            {"path": "/in/d", "url": f"s3://work/{case}/d", "type": "DIRECTORY"},
        ],
        "executors": [shell(script, image=image)],
        "outputs": [
            {"path": "/out", "url": f"s3://work/{case}/out", "type": "DIRECTORY"}
        ],
        **fields,
    }


def stage(service: S3Service, case: str) -> None:
    put(service, f"{case}/a", "b\n")
    put(service, f"{case}/d/x", "c\n")
    put(service, f"{case}/d/y", "a\n")


def finish(stack: Stack, task: dict[str, object]) -> dict[str, Any]:
    done: dict[str, Any] = stack.finish(stack.create(task))
    assert done["state"] == "COMPLETE", done
    return done


def printed(task: dict[str, Any]) -> str:
    return str(task["logs"][0]["logs"][0]["stdout"])


def test_the_second_task_has_the_results_of_the_first(
    stack: Stack, service: S3Service
) -> None:
    stage(service, "same")
    first = finish(stack, sorting("same"))
    at = read(service, "same/out/at")

    second = finish(stack, sorting("same", name="again", tags={"n": "2"}))

    assert printed(second) == printed(first) == at
    assert second["logs"][0]["outputs"] == first["logs"][0]["outputs"]
    assert read(service, "same/out/at") == at  # nothing was run
    assert f"the results of task {first['id']} count for this one" in system_logs(
        second
    )
    eventually(lambda: not stack.leftovers(), what="the end of its files")


Change = Callable[[S3Service, str], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "input": (lambda s3, case: put(s3, f"{case}/a", "z\n"), "/in/a"),
    "new-file": (lambda s3, case: put(s3, f"{case}/d/z", "z\n"), "/in/d/z"),
    "output": (
        lambda s3, case: s3.client().delete_object(Bucket="work", Key=f"{case}/out/at"),
        "/out/at",
    ),
    "other-output": (lambda s3, case: put(s3, f"{case}/out/all", "?"), "/out/all"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_after_a_change_it_runs(stack: Stack, service: S3Service, case: str) -> None:
    change, path = CHANGES[case]
    stage(service, case)
    first = finish(stack, sorting(case))
    change(service, case)

    second = finish(stack, sorting(case))

    assert printed(second) != printed(first)
    assert read(service, f"{case}/out/at") == printed(second)
    said = system_logs(second)
    assert f"the results of task {first['id']} do not count" in said
    assert path in said
    third = finish(stack, sorting(case))
    assert printed(third) == printed(second)  # the last one that ran counts


def test_another_image_behind_the_same_name_runs(
    stack: Stack, service: S3Service, move_tag: Callable[[], None]
) -> None:
    stage(service, "image")
    first = finish(stack, sorting("image", image=MOVING))
    same = finish(stack, sorting("image", image=MOVING))
    move_tag()

    second = finish(stack, sorting("image", image=MOVING))

    assert printed(first) == printed(same) != printed(second)
    assert f"executors[0].image: {MOVING} is another image now" in system_logs(second)
    eventually(lambda: not stack.leftovers(), what="the end of its containers")


def test_a_taskmaster_that_is_killed_leaves_the_check_to_its_successor(
    service: S3Service, tmp_path: Path
) -> None:
    stage(service, "killed")
    environ = {**service.environ, "TESK_SCHEDULER_CALL_CACHE": "owner"}
    with running_stack(tmp_path, engine="container", environ=environ) as stack:
        first = finish(stack, sorting("killed"))
        task_id = stack.create(sorting("killed"))
        eventually(
            lambda: stack.pids("filer") or stack.state(task_id) == "COMPLETE",
            what="the filer of the check",
        )
        stack.kill("taskmaster")

        second = stack.finish(task_id)

        assert second["state"] == "COMPLETE"
        assert printed(second) == printed(first)
        assert read(service, "killed/out/at") == printed(first)
        eventually(lambda: not stack.leftovers(), what="the end of its files")
