"""Executors in containers of a real engine; the rest is in tests/contract/engine."""

from datetime import timedelta

import pytest

from programs.waiting import eventually
from taskmasters.containers import Workplace, silent
from tesk_model.reasons import Reason
from tesk_taskmaster.ports import StepFailedError, Tails

pytestmark = pytest.mark.engine


LONG = timedelta(seconds=60)


MIB = 1024**2


PYTHON = "gcr.io/distroless/python3-debian12:nonroot"  # uid 65532


def test_tails_hold_the_last_64_kib_of_each_stream(place: Workplace) -> None:
    run = place.make_run(
        "sh",
        "-c",
        "echo first >&2; yes | head -n 400000; head -c 100000 /dev/zero | tr '\\0' x; "
        "printf end; echo last >&2",
    )

    _, tails = place.finish(run)

    assert tails == Tails(b"x" * (65536 - 3) + b"end", b"first\nlast\n")


def test_tails_can_be_read_while_the_executor_runs(place: Workplace) -> None:
    run = place.make_run(
        "sh",
        "-c",
        "echo told >&2; echo written; : > /work/ready; : < /work/go",
        stdout="/work/stdout",
    )
    ready, go = place.make_fifo("ready"), place.make_fifo("go")
    place.engine.start(run, silent)
    ready.read_text()

    told = Tails(b"written\n", b"told\n")
    # What is written takes its way through the launcher and the engine.
    eventually(lambda: place.engine.tails(run) == told, what="what was written")
    nothing_yet = place.engine.wait(run, timedelta(0))
    go.write_text("")

    assert nothing_yet is None
    assert place.engine.wait(run, LONG) is not None


NOT_STARTED = {
    "there is no such program": ("no-such-program", "not found"),
    "it is a file but no program": ("/etc/passwd", "not executable"),
}


@pytest.mark.parametrize(
    ("program", "notice"), NOT_STARTED.values(), ids=NOT_STARTED.keys()
)
def test_the_reason_of_a_command_that_did_not_start_is_a_notice(
    place: Workplace, program: str, notice: str
) -> None:
    result, _ = place.finish(place.make_run(program))

    assert notice in result.notice


def test_running_out_of_memory_is_reported(place: Workplace) -> None:
    hungry = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo $x"
    run = place.make_run("sh", "-c", hungry, ram=64 * MIB)

    result, _ = place.finish(run)

    assert result.exit_code == 137
    assert result.notice == "executors[0]: ran out of memory: limit 64 MiB"


def test_only_user_and_environment_are_the_images(place: Workplace) -> None:
    run = place.make_run(
        "/usr/bin/python3",
        "-c",
        "import os; open('/work/mine', 'w').write(str(os.getuid()))",
        image=PYTHON,
        stdout="/work/stdout",
    )

    result, tails = place.finish(run)

    assert result.exit_code == 0, tails.stderr
    assert (place.volume / "work/mine").read_text() == "65532"


SHELL_KEEPS_ALL = """
umask 077; echo r > /r.txt; mkdir -p /work/a/b; echo o > /work/a/b/o
echo k > /work/kept; exit 3
"""


PYTHON_KEEPS_ALL = """
import os
os.umask(0o077)
os.makedirs("/work/a/b")
open("/work/a/b/o", "w").close()
open("/work/kept", "w").close()
os.chmod("/work/a", 0)
exit(3)
"""


# An image, its command line, and the modes of what it leaves.
PRIVATE: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "root": (
        "busybox",
        ("sh", "-c", SHELL_KEEPS_ALL),
        {"r.txt": "644", "work/a": "711", "work/a/b": "755", "work/a/b/o": "644"},
    ),
    "another uid": (
        PYTHON,
        ("/usr/bin/python3", "-c", PYTHON_KEEPS_ALL),
        {"work/a": "111", "work/a/b": "755", "work/a/b/o": "644"},
    ),
}


@pytest.mark.parametrize(
    ("image", "command", "want"), PRIVATE.values(), ids=list(PRIVATE)
)
def test_only_outputs_become_readable(
    place: Workplace, image: str, command: tuple[str, ...], want: dict[str, str]
) -> None:
    outputs = ("/r.txt", "/work/a/b")
    run = place.make_run(*command, image=image, outputs=outputs, collect=("/r.txt",))

    result, tails = place.finish(run)

    assert (result.exit_code, tails.stderr) == (3, b"")
    modes = {
        str(path.relative_to(place.volume)): f"{path.stat().st_mode & 0o777:o}"
        for path in (
            *place.volume.glob("*"),
            *place.volume.glob("work/*"),
            *(place.volume / "work/a" / name for name in ("b", "b/o")),
        )
    }
    assert modes == {"work": "777", "work/kept": "600", **want}


def test_an_image_that_cannot_be_pulled_fails_the_step_for_good(
    place: Workplace,
) -> None:
    said: list[Reason] = []
    run = place.make_run("true", image="tesk-nobody/nothing:1")

    with pytest.raises(StepFailedError, match=r"tesk-nobody/nothing:1") as failure:
        place.engine.start(run, said.append)

    assert not failure.value.lost
    assert said[0].text == "pulling image tesk-nobody/nothing:1"
