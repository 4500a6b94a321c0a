"""What executors of a pod have at ``/dev/shm``."""

from collections.abc import Mapping
from typing import Any

import pytest

from builders.tasks import file_in, make_assigned_task, make_executor
from taskmasters.manifests import EXECUTOR_POD, Manifest
from taskmasters.pod_shapes import PodShape, merged_with

SHM = "/dev/shm"
TWO = (make_executor(), make_executor())


def steps(shape: PodShape) -> Mapping[str, Manifest]:
    spec = shape.job()["spec"]["template"]["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    return {each["name"]: each for each in containers}


def shared_memory(container: Manifest) -> list[str]:
    """Return the names of volumes at /dev/shm."""
    mounts = container["volumeMounts"]
    return [each["name"] for each in mounts if each["mountPath"] == SHM]


@pytest.mark.parametrize("order", ["auto", "sequence"])
def test_each_executor_has_its_own_and_empties_it(order: str) -> None:
    task = make_assigned_task(inputs=(file_in("/work/a"),), executors=TWO)
    shape = PodShape(task=task, order=order)

    found = steps(shape)

    assert {step: shared_memory(each) for step, each in found.items()} == {
        "in": [],
        "x0": ["tesk-shm-x0"],
        "x1": ["tesk-shm-x1"],
    }
    for step in ("x0", "x1"):
        args = found[step]["args"]
        assert args[args.index("--clear") + 1] == SHM
    volumes = shape.job()["spec"]["template"]["spec"]["volumes"]
    memory = {"medium": "Memory", "sizeLimit": "64Mi"}
    assert {"name": "tesk-shm-x0", "emptyDir": memory} in volumes


def _template_with(mount: Mapping[str, Any]) -> Manifest:
    container = EXECUTOR_POD["spec"]["containers"][0]
    given = [*container.get("volumeMounts", ()), mount]
    volume = {"name": "large", "emptyDir": {"medium": "Memory"}}
    return merged_with(
        EXECUTOR_POD,
        containers=[{**container, "volumeMounts": given}],
        volumes=[*EXECUTOR_POD["spec"].get("volumes", ()), volume],
    )


TAKEN = {
    "of the task": PodShape(task=make_assigned_task(executors=TWO, volumes=(SHM,))),
    "of the template": PodShape(
        task=make_assigned_task(executors=TWO),
        executor=_template_with({"name": "large", "mountPath": SHM}),
    ),
}


@pytest.mark.parametrize("shape", TAKEN.values(), ids=TAKEN)
def test_a_mount_that_is_there_takes_its_place_and_is_not_emptied(
    shape: PodShape,
) -> None:
    for container in steps(shape).values():
        assert len(shared_memory(container)) == 1
        assert "tesk-shm" not in str(container)
        assert "--clear" not in container["args"]
