"""Uploads that are tried again in one process."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from simulations.transfer import Bench
from tesk_filer.ports import StorageError
from tesk_filer.usecases.transfer import ExitCode
from tesk_filer.usecases.upload_tries import UploadTries
from tesk_model.errors import ConflictError, PermissionDeniedError, UnavailableError
from tesk_model.task import Output
from tesk_model.upload_retries import UploadRetries

URL = "s3://b/a"
BUSY = f"outputs[0] (/a): {URL}: busy"
TRIES_OF_A_FILE = 3  # of the simulation: each upload fails after so many


def busy(uploads: int) -> list[StorageError]:
    """Make so many uploads of the file fail."""
    faults = TRIES_OF_A_FILE * uploads
    return [StorageError("busy", transient=True) for _ in range(faults)]


@dataclass
class Outputs:
    """The upload of one file.

    Attributes:
        seconds: What the clock says after each failure.
    """

    bench: Bench
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: Iterator[float] = field(default_factory=lambda: count(0.0))

    def take(self, tries: int, backoff: float = 0.0) -> ExitCode:
        return UploadTries(
            retries=UploadRetries(
                tries=tries,
                timeout=timedelta(seconds=30),
                backoff=timedelta(seconds=backoff),
            ),
            run_once=self.bench.take_again,
            stop=self.stop,
            monotonic=lambda: next(self.seconds),
            draw=lambda: 1.0,
        ).run()

    @property
    def errors(self) -> list[str]:
        return [result.error for result in self.bench.transfers.results]


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    bench = Bench(tmp_path)
    (tmp_path / "a").write_text("A")
    bench.transfers.to_take = (Output(path="/a", url=URL),)
    return Outputs(bench)


def test_each_failure_is_recorded_with_the_try_that_follows(outputs: Outputs) -> None:
    outputs.bench.storage.faults = {URL: busy(2)}

    assert outputs.take(4) is ExitCode.OK
    assert outputs.bench.storage.files == {URL: b"A"}
    text = "the outputs could not be uploaded yet"
    assert outputs.errors == [
        f"{text} ({BUSY}); try 2 of 4 in 0 s",
        f"{text} ({BUSY}); try 3 of 4 in 0 s",
        "",
    ]
    assert outputs.bench.transfers.results[-1].warnings == (
        "the outputs were uploaded at try 3",
    )


def test_the_last_failure_says_how_often_it_was_tried(outputs: Outputs) -> None:
    outputs.bench.storage.faults = {URL: busy(3)}

    assert outputs.take(3) is ExitCode.TEMPORARY_FAILURE
    assert outputs.errors[-1] == (
        f"the outputs could not be uploaded, tried 3 times: {BUSY}"
    )


def test_no_try_begins_after_the_timeout(outputs: Outputs) -> None:
    outputs.bench.storage.faults = {URL: busy(3)}
    outputs.seconds = iter([100.0, 131.0])

    assert outputs.take(10) is ExitCode.TEMPORARY_FAILURE
    assert len(outputs.errors) == 2


def test_one_try_is_recorded_as_any_transfer(outputs: Outputs) -> None:
    outputs.bench.storage.faults = {URL: busy(1)}

    assert outputs.take(1) is ExitCode.TEMPORARY_FAILURE
    assert outputs.errors == [BUSY]


def test_what_lasts_is_not_tried_again(outputs: Outputs) -> None:
    outputs.bench.storage.faults = {URL: [StorageError("access denied")]}

    assert outputs.take(5) is ExitCode.FAILED
    assert outputs.errors == [f"outputs[0] (/a): {URL}: access denied"]


def test_a_scheduler_that_is_away_is_asked_again_as_often(outputs: Outputs) -> None:
    outputs.bench.transfers.error = UnavailableError("restarting")

    assert outputs.take(3) is ExitCode.TEMPORARY_FAILURE
    assert len(outputs.bench.log) == 3


def test_an_attempt_that_is_over_ends_the_tries(outputs: Outputs) -> None:
    outputs.bench.transfers.error = ConflictError("the attempt is over")

    assert outputs.take(5) is ExitCode.FAILED
    assert len(outputs.bench.log) == 1


def test_a_token_that_is_refused_ends_the_tries_which_all_have_it(
    outputs: Outputs,
) -> None:
    outputs.bench.transfers.error = PermissionDeniedError("not of this attempt")

    assert outputs.take(5) is ExitCode.FAILED
    assert len(outputs.bench.log) == 1


def test_a_stop_ends_the_wait_at_once(outputs: Outputs) -> None:
    outputs.bench.storage.faults = {URL: busy(1)}
    outputs.stop.set()

    assert outputs.take(5, backoff=20.0) is ExitCode.STOPPED
    assert "try 2 of 5 in 20 s" in outputs.errors[-1]
