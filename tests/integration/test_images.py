"""What only containers have: images that are there, and images that are not."""

from collections.abc import Iterator

import pytest

from programs.stack import Stack, running_stack
from scenarios.scenario import codes, logs, shell, system_logs

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # That a registry may answer again is tried by tests of attempts.
    environ = {"TESK_SCHEDULER_MAX_ATTEMPTS": "1"}
    folder = tmp_path_factory.mktemp("images")
    with running_stack(folder, engine="container", environ=environ) as it:
        yield it


def test_an_image_that_does_not_exist_is_named(stack: Stack) -> None:
    image = "registry.invalid/no/such-image:1"

    task = stack.run({"executors": [{"image": image, "command": ["true"]}]})

    assert task["state"] == "SYSTEM_ERROR"
    assert image in system_logs(task)
    assert logs(task) == []


def test_outputs_of_the_first_image_survive_a_second_that_does_not_exist(
    stack: Stack,
) -> None:
    task = stack.run(
        {
            "executors": [
                shell("echo kept > /out/a"),
                {"image": "registry.invalid/none:1", "command": ["true"]},
            ],
            "outputs": [{"path": "/out/a", "url": f"file://{stack.files}/kept"}],
        }
    )

    assert task["state"] == "SYSTEM_ERROR"
    assert codes(task) == [0]


def test_executors_of_different_images_share_one_volume(stack: Stack) -> None:
    task = stack.run(
        {
            "volumes": ["/vol"],
            "executors": [
                shell("echo one > /vol/a") | {"image": "busybox"},
                shell("cat /vol/a; echo two > /vol/a") | {"image": "alpine"},
            ],
        }
    )

    assert task["state"] == "COMPLETE", system_logs(task)
    assert logs(task)[1]["stdout"] == "one\n"


def test_memory_is_limited_and_running_out_of_it_is_told(stack: Stack) -> None:
    task = stack.run(
        {
            # A variable that doubles until there is no more.
            "executors": [shell('x=0123456789abcdef; while :; do x="$x$x"; done')],
            "resources": {"ram_gb": 0.05},
        }
    )

    assert task["state"] == "EXECUTOR_ERROR"
    assert codes(task) == [137]
    assert "memory" in system_logs(task)
