"""Streams that a command opens again, floods, leaves open or cuts off."""

from collections.abc import Iterator

import pytest

from programs.stack import Stack, running_stack

ENGINES = ["sandbox", pytest.param("container", marks=pytest.mark.engine)]
LINES = 2000


@pytest.fixture(scope="module", params=ENGINES)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp(request.param), engine=request.param
    ) as running:
        yield running


MANY_WRITERS = (
    "for n in 1 2 3 4; do (i=0; while [ $i -lt 500 ]; "
    "do echo $n-$i > /dev/stdout; i=$((i+1)); done) & done; wait"
)


@pytest.mark.parametrize("redirected", [False, True], ids=["log", "file"])
def test_many_processes_that_open_stdout_again_lose_no_line(
    stack: Stack, *, redirected: bool
) -> None:
    target = stack.files / f"lines-{redirected}"
    executor = {"image": "busybox", "command": ["sh", "-c", MANY_WRITERS]}
    redirect = {"stdout": "/o/lines"} if redirected else {}
    output = [{"path": "/o/lines", "url": f"file://{target}"}] if redirected else []

    task = stack.run({"executors": [executor | redirect], "outputs": output})

    assert task["state"] == "COMPLETE", task
    texts = [task["logs"][0]["logs"][0]["stdout"]]
    texts += [target.read_text()] if redirected else []
    want = {f"{writer}-{line}" for writer in range(1, 5) for line in range(500)}
    for text in texts:
        assert len(text.splitlines()) == LINES
        assert set(text.splitlines()) == want


@pytest.mark.parametrize("redirect", [{}, {"stdout": "/o/log"}], ids=["log", "file"])
def test_a_flood_from_the_background_does_not_keep_a_task_running(
    stack: Stack, redirect: dict[str, str]
) -> None:
    command = [
        "sh",
        "-c",
        "(trap '' PIPE HUP TERM; yes 2> /dev/null) & echo begun >&2; exit 3",
    ]

    task = stack.run(
        {"executors": [{"image": "busybox", "command": command, **redirect}]}
    )

    assert task["state"] == "EXECUTOR_ERROR", task
    [log] = task["logs"][0]["logs"]
    assert (log["exit_code"], log["stderr"]) == (3, "begun\n")
    assert set(log["stdout"].split()) <= {"y"}
