"""What a transfer counts, and how fast it says it is."""

import threading
from dataclasses import dataclass

import pytest

from tesk_filer.domain.rates import RateWindow
from tesk_filer.ports import HaltedError, StorageError, Unmoved
from tesk_filer.ports.transfers import MovedByScheme
from tesk_filer.usecases.load_limits import Bandwidth
from tesk_filer.usecases.transfer_progress import TransferProgress


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> TransferProgress:
    return TransferProgress("inputs", threading.Event(), clock=clock)


def end_by(
    error: Exception, progress: TransferProgress, scheme: str, clock: Clock
) -> None:
    """Let a file end with ``error``, one second and 3 bytes after it began."""
    with progress.of_file(scheme, path="/b") as file:
        file.advance(3)
        clock.now += 1
        raise error


def test_the_rate_is_that_of_the_last_seconds() -> None:
    window = RateWindow(0.0)

    rates = [window.rate(second, 1000 * second) for second in range(1, 21)]
    stalled = [window.rate(second, 20_000) for second in range(21, 32)]

    assert set(rates) == {1000}
    assert stalled[0] < 1000
    assert stalled[-1] == 0


def test_the_rate_counts_no_bytes_that_move_again(
    progress: TransferProgress, clock: Clock
) -> None:
    with progress.of_file("s3", path="/a") as file:
        file.start()
        file.advance(1000)
        clock.now += 1
        first = progress.status().bytes_per_second
        file.start()
        clock.now += 1
        again = progress.status()

    assert first == 1000
    assert (again.bytes_per_second, again.bytes_done) == (0, 0)


def test_the_file_that_moves_for_the_longest_time_is_named(
    progress: TransferProgress,
) -> None:
    with progress.of_file("s3", path="/a", url="s3://b/a"):
        with progress.of_file("s3", path="/b", url="s3://b/b"):
            both = progress.status()
        with progress.of_file("content", path="/c"):
            pass
    none = progress.status()

    assert (both.path, both.url) == ("/a", "s3://b/a")
    assert (none.path, none.url) == ("", "")


def test_long_names_are_elided(progress: TransferProgress) -> None:
    with progress.of_file("s3", path=f"/{'d' * 5000}/end", url="s3://b/" + "k" * 5000):
        status = progress.status()

    assert len(status.path) == len(status.url) == 256
    assert status.path.startswith("/ddd")
    assert status.path.endswith("d/end")


def test_files_are_counted_by_scheme_and_how_they_ended(
    progress: TransferProgress, clock: Clock
) -> None:
    with progress.of_file("s3", path="/a") as file:
        file.advance(5)
        clock.now += 2
    with pytest.raises(StorageError):
        end_by(StorageError("gone"), progress, "s3", clock)
    with pytest.raises(HaltedError):
        end_by(HaltedError(), progress, "ftp", clock)

    assert progress.moved() == (
        MovedByScheme(scheme="s3", files=1, bytes=5, seconds=3, failed=1),
    )
    assert progress.seconds() == 4
    assert progress.status().path == ""


def test_the_bytes_are_known_once_each_file_was_opened(
    progress: TransferProgress,
) -> None:
    progress.plan(None)
    progress.plan(5)
    progress.finish_plan()
    before = progress.status()
    with progress.of_file("s3", path="/a", is_sized=False) as file:
        file.announce(None)
        file.announce(7)
        file.announce(7)  # by another try
    with progress.of_file("s3", path="/b") as file:
        file.announce(5)
    after = progress.status()

    assert (before.files_total, before.bytes_total) == (2, 0)
    assert (after.files_total, after.bytes_total) == (2, 12)


def test_what_an_earlier_filer_moved_is_done_and_has_no_rate(
    progress: TransferProgress, clock: Clock
) -> None:
    progress.plan(7)
    progress.resume(1, 7)
    progress.finish_plan()
    clock.now += 1

    status = progress.status()

    assert (status.files_done, status.files_total) == (1, 1)
    assert (status.bytes_done, status.bytes_total) == (7, 7)
    assert status.bytes_per_second == 0


def test_what_an_earlier_filer_moved_of_a_file_that_begins_anew_moves_again(
    progress: TransferProgress,
) -> None:
    progress.plan(100)
    progress.finish_plan()
    with progress.of_file("s3", path="/a") as file:
        file.start()
        file.resume(90)
        file.advance(5)
        resumed = progress.status().bytes_done
        file.start()
        anew, left = progress.status().bytes_done, progress.left()
        file.advance(100)

    assert (resumed, anew, left) == (95, 0, 100)
    assert progress.status().bytes_done == 100
    assert progress.resumed == (0, 0)


def test_bytes_that_did_not_move_are_counted_and_hold_nobody_up(clock: Clock) -> None:
    would_wait = threading.Event()
    would_wait.set()
    progress = TransferProgress(
        "inputs",
        threading.Event(),
        clock=clock,
        bandwidth=Bandwidth(1000, clock, would_wait),
    )

    with progress.of_file("file", path="/a") as file:
        file.advance(Unmoved(100_000_000))
        file.advance(1)
        done = progress.status().bytes_done
        with pytest.raises(HaltedError):
            file.advance(100_000_000)

    assert done == 100_000_001
