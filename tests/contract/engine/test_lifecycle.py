"""Every engine starts, adopts, stops and removes runs, also those of a predecessor."""

import os
import threading
from datetime import timedelta

import pytest

from fakes.taskmaster_engine_harness import GRACE, EngineHarness
from tesk_taskmaster.ports import StepFailedError

NOW = timedelta(0)


def test_waiting_is_bounded(harness: EngineHarness) -> None:
    run = harness.start("sleep", "600")

    assert harness.engine.wait(run, timedelta(milliseconds=20)) is None


def test_start_adopts_what_runs(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/pipe")
    run = harness.start(
        "sh",
        "-c",
        "echo x >>/w/runs; echo ready >/w/pipe; exec sleep 600",
        mounts=("/w",),
    )
    harness.open_engine().start(run, lambda _reason: None)
    harness.wait_for_line(fifo)
    harness.engine.stop(run, GRACE)

    assert harness.finish(run).exit_code in (137, 143)
    assert (harness.volume / "w" / "runs").read_text() == "x\n"


def test_start_adopts_what_has_ended(harness: EngineHarness) -> None:
    run = harness.start("sh", "-c", "echo x >>/w/runs; exit 5", mounts=("/w",))
    harness.finish(run)
    successor = harness.open_engine()
    successor.start(run, lambda _reason: None, has_started=True)

    result = successor.wait(run, timedelta(seconds=30))

    assert result is not None
    assert result.exit_code == 5
    assert (harness.volume / "w" / "runs").read_text() == "x\n"


def test_a_started_executor_without_traces_is_lost(harness: EngineHarness) -> None:
    run = harness.make_run("sh", "-c", "echo x >>/w/runs", mounts=("/w",))

    with pytest.raises(StepFailedError, match="lost: ") as failure:
        harness.engine.start(run, lambda _reason: None, has_started=True)

    assert failure.value.lost
    assert not (harness.volume / "w" / "runs").exists()


def test_the_image_that_ran_is_the_one_that_was_meant(harness: EngineHarness) -> None:
    meant = harness.engine.image_digest(harness.image, lambda _reason: None)

    ran = harness.finish(harness.start("true")).image_digest

    assert meant == ran
    assert meant == "" or meant.startswith("sha256:")


def test_the_result_can_be_read_again(harness: EngineHarness) -> None:
    for command in (("false",), ("no-such-program",)):
        run = harness.start(*command)
        first = harness.finish(run)
        again = harness.open_engine().wait(run, NOW)

        assert again is not None
        assert again.exit_code == first.exit_code


def test_stop_ends_a_command_by_sigterm(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/pipe")
    run = harness.start(
        "sh",
        "-c",
        "trap 'echo bye; exit 9' TERM; echo ready >/w/pipe; while :; do sleep 600 & wait; done",
        mounts=("/w",),
    )
    harness.wait_for_line(fifo)

    harness.engine.stop(run, timedelta(seconds=30))

    assert harness.finish(run).exit_code == 9
    assert harness.engine.tails(run).stdout == b"bye\n"


def test_stop_ends_a_command_that_ignores_sigterm(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/pipe")
    run = harness.start(
        "sh",
        "-c",
        "trap '' TERM; echo ready >/w/pipe; sleep 600; sleep 600",
        mounts=("/w",),
    )
    harness.wait_for_line(fifo)

    harness.engine.stop(run, timedelta(milliseconds=100))

    result = harness.finish(run)
    assert (result.exit_code, result.error) == (137, "")
    assert result.ended_at is not None


def test_stop_straight_after_start_leaves_nothing(harness: EngineHarness) -> None:
    run = harness.start("sleep", "600")
    harness.engine.stop(run, GRACE)

    assert harness.finish(run).exit_code in (137, 143)


def test_stop_of_what_has_ended_changes_nothing(harness: EngineHarness) -> None:
    done = harness.complete("sh", "-c", "exit 4")
    harness.engine.stop(done.run, GRACE)

    assert harness.finish(done.run).exit_code == 4


def test_stop_of_what_was_never_started_does_nothing(harness: EngineHarness) -> None:
    harness.engine.stop(harness.make_run("true"), GRACE)


def test_a_stop_ends_a_wait(harness: EngineHarness) -> None:
    run = harness.start("sleep", "600")
    stopper = threading.Thread(target=harness.engine.stop, args=(run, GRACE))
    stopper.start()

    assert harness.finish(run).exit_code in (137, 143)
    stopper.join()


def test_remove_ends_what_runs(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/pipe")
    harness.start("sh", "-c", "echo ready >/w/pipe; exec sleep 600", mounts=("/w",))
    harness.wait_for_line(fifo)
    writer = harness.start("sh", "-c", "exec 3>/w/pipe; sleep 600", mounts=("/w",))
    with fifo.open("rb") as pipe:
        harness.open_engine().remove(harness.attempt)

        assert pipe.read() == b""  # the end of file: its writer is gone
    assert list(harness.engine.attempts()) == []
    assert writer.attempt == harness.attempt


def test_background_processes_end_with_their_command(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/pipe")
    run = harness.start(
        "sh",
        "-c",
        "(trap '' TERM HUP; exec 3>/w/pipe; echo ready >&3; sleep 600) & read x </w/pipe",
        mounts=("/w",),
    )
    harness.finish(run)

    with pytest.raises(OSError, match="No such device"):  # ENXIO: nobody reads it
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(descriptor, 10) == b""  # and nobody writes
    os.close(descriptor)


def test_removing_nothing_is_no_error(harness: EngineHarness) -> None:
    harness.engine.remove(harness.attempt)
    harness.engine.remove(harness.attempt)
