"""One filer of a transfer at a time."""

import threading
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from tesk_filer.adapters.transfer_lock import TransferLock
from tesk_filer.usecases.transfer import ExitCode


def lock_of(
    folder: Path, *, name: str = "inputs.lock", stop: threading.Event | None = None
) -> TransferLock:
    seconds = count(0.0, 60.0)
    return TransferLock(
        folder=folder,
        name=name,
        timeout=timedelta(minutes=2),
        stop=stop or threading.Event(),
        monotonic=lambda: next(seconds),
    )


def never() -> ExitCode:
    raise AssertionError


def test_a_second_one_gives_up_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = lock_of(tmp_path / ".tesk")

    code = lock_of(tmp_path / ".tesk").run(lambda: second.run(never))

    assert code is ExitCode.TEMPORARY_FAILURE
    assert caplog.messages == [
        "waits for another filer of this transfer",
        "another filer still moves the files of this transfer",
    ]


def test_a_second_one_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    second = lock_of(tmp_path / ".tesk", stop=stop)

    code = lock_of(tmp_path / ".tesk").run(lambda: second.run(never))

    assert code is ExitCode.STOPPED


def test_the_other_direction_is_another_transfer(tmp_path: Path) -> None:
    outputs = lock_of(tmp_path / ".tesk", name="outputs.lock")

    code = lock_of(tmp_path / ".tesk").run(lambda: outputs.run(lambda: ExitCode.OK))

    assert code is ExitCode.OK


def test_the_next_one_works(tmp_path: Path) -> None:
    lock = lock_of(tmp_path / ".tesk")

    assert lock.run(lambda: ExitCode.FAILED) is ExitCode.FAILED
    assert lock.run(lambda: ExitCode.OK) is ExitCode.OK


def test_what_an_executor_put_there_keeps_no_files_from_moving(tmp_path: Path) -> None:
    (tmp_path / ".tesk/inputs.lock").mkdir(parents=True)

    assert lock_of(tmp_path / ".tesk").run(lambda: ExitCode.OK) is ExitCode.OK
