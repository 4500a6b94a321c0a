"""Every engine starts, adopts, stops and removes runs, also those of a predecessor."""

import os
import threading
from datetime import timedelta

import pytest

from fakes.taskmaster_engine_kit import GRACE, EngineKit
from tesk_taskmaster.ports import StepFailedError

NOW = timedelta(0)


def test_waiting_is_bounded(kit: EngineKit) -> None:
    run = kit.start("sleep", "600")

    assert kit.engine.wait(run, timedelta(milliseconds=20)) is None


def test_start_adopts_what_runs(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "echo x >>/w/runs; echo ready >/w/pipe; exec sleep 600",
        mounts=("/w",),
    )
    kit.open_engine().start(run, lambda _reason: None)
    kit.wait_for_line(fifo)
    kit.engine.stop(run, GRACE)

    assert kit.finish(run).exit_code in (137, 143)
    assert (kit.volume / "w" / "runs").read_text() == "x\n"


def test_start_adopts_what_has_ended(kit: EngineKit) -> None:
    run = kit.start("sh", "-c", "echo x >>/w/runs; exit 5", mounts=("/w",))
    kit.finish(run)
    successor = kit.open_engine()
    successor.start(run, lambda _reason: None, has_started=True)

    result = successor.wait(run, timedelta(seconds=30))

    assert result is not None
    assert result.exit_code == 5
    assert (kit.volume / "w" / "runs").read_text() == "x\n"


def test_a_started_executor_without_traces_is_lost(kit: EngineKit) -> None:
    run = kit.make_run("sh", "-c", "echo x >>/w/runs", mounts=("/w",))

    with pytest.raises(StepFailedError, match="lost: ") as failure:
        kit.engine.start(run, lambda _reason: None, has_started=True)

    assert failure.value.lost
    assert not (kit.volume / "w" / "runs").exists()


def test_the_result_can_be_read_again(kit: EngineKit) -> None:
    for command in (("false",), ("no-such-program",)):
        run = kit.start(*command)
        first = kit.finish(run)
        again = kit.open_engine().wait(run, NOW)

        assert again is not None
        assert again.exit_code == first.exit_code


def test_stop_ends_a_command_by_sigterm(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "trap 'echo bye; exit 9' TERM; echo ready >/w/pipe; while :; do sleep 600 & wait; done",
        mounts=("/w",),
    )
    kit.wait_for_line(fifo)

    kit.engine.stop(run, timedelta(seconds=30))

    assert kit.finish(run).exit_code == 9
    assert kit.engine.tails(run).stdout == b"bye\n"


def test_stop_ends_a_command_that_ignores_sigterm(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "trap '' TERM; echo ready >/w/pipe; sleep 600; sleep 600",
        mounts=("/w",),
    )
    kit.wait_for_line(fifo)

    kit.engine.stop(run, timedelta(milliseconds=100))

    result = kit.finish(run)
    assert (result.exit_code, result.error) == (137, "")
    assert result.ended_at is not None


def test_stop_straight_after_start_leaves_nothing(kit: EngineKit) -> None:
    run = kit.start("sleep", "600")
    kit.engine.stop(run, GRACE)

    assert kit.finish(run).exit_code in (137, 143)


def test_stop_of_what_has_ended_changes_nothing(kit: EngineKit) -> None:
    done = kit.complete("sh", "-c", "exit 4")
    kit.engine.stop(done.run, GRACE)

    assert kit.finish(done.run).exit_code == 4


def test_stop_of_what_was_never_started_does_nothing(kit: EngineKit) -> None:
    kit.engine.stop(kit.make_run("true"), GRACE)


def test_a_stop_wakes_who_waits(kit: EngineKit) -> None:
    run = kit.start("sleep", "600")
    stopper = threading.Thread(target=kit.engine.stop, args=(run, GRACE))
    stopper.start()

    assert kit.finish(run).exit_code in (137, 143)
    stopper.join()


def test_remove_ends_what_runs(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    kit.start("sh", "-c", "echo ready >/w/pipe; exec sleep 600", mounts=("/w",))
    kit.wait_for_line(fifo)
    writer = kit.start("sh", "-c", "exec 3>/w/pipe; sleep 600", mounts=("/w",))
    with fifo.open("rb") as pipe:
        kit.open_engine().remove(kit.attempt)

        assert pipe.read() == b""  # the end of file: its writer is gone
    assert list(kit.engine.attempts()) == []
    assert writer.attempt == kit.attempt


def test_background_processes_end_with_their_command(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "(trap '' TERM HUP; exec 3>/w/pipe; echo ready >&3; sleep 600) & read x </w/pipe",
        mounts=("/w",),
    )
    kit.finish(run)

    with pytest.raises(OSError, match="No such device"):  # ENXIO: nobody reads it
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(descriptor, 10) == b""  # and nobody writes
    os.close(descriptor)


def test_removing_nothing_is_no_error(kit: EngineKit) -> None:
    kit.engine.remove(kit.attempt)
    kit.engine.remove(kit.attempt)
