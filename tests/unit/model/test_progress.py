"""Progress and results read like a sentence."""

from dataclasses import replace

import pytest

from tesk_model.progress import (
    bytes_per_second,
    format_moved,
    format_progress,
    format_seconds,
)
from tesk_model.task import TransferStatus

MIB, GIB = 2**20, 2**30
WHOLE = TransferStatus(
    direction="inputs",
    files_done=3,
    files_total=10,
    bytes_done=12 * MIB,
    bytes_total=1288490189,
)
PROGRESS = {
    "all known": (WHOLE, "3 of 10 files, 12 MiB of 1.2 GiB"),
    "with a rate": (
        replace(WHOLE, bytes_per_second=80 * MIB),
        "3 of 10 files, 12 MiB of 1.2 GiB, 80 MiB/s",
    ),
    "totals not known yet": (
        TransferStatus(direction="inputs", files_done=3, bytes_done=512),
        "3 files, 512 B",
    ),
}


@pytest.mark.parametrize(("status", "want"), PROGRESS.values(), ids=PROGRESS)
def test_progress(status: TransferStatus, want: str) -> None:
    assert format_progress(status) == want


MOVED = {
    "a time that is not known": ((1, 0, 0), "1 file, 0 B"),
    "many": ((12, int(3.4 * GIB), 41), "12 files, 3.4 GiB in 41 s (84.9 MiB/s)"),
    "thousands": ((12_000, MIB, 0.5), "12,000 files, 1 MiB in 500 ms"),
    "nothing": ((0, 0, 0.25), "0 files, 0 B in 250 ms"),
}


@pytest.mark.parametrize(("moved", "want"), MOVED.values(), ids=MOVED)
def test_what_was_moved(moved: tuple[int, int, float], want: str) -> None:
    assert format_moved(*moved) == want


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        (0, "0 s"),
        (0.0000412, "1 ms"),
        (0.254321, "254 ms"),
        (0.9999, "999 ms"),
        (2, "2 s"),
        (2.46, "2.5 s"),
        (9.99, "10 s"),
        (41.4, "41 s"),
        (125, "2 min 5 s"),
        (12_000, "3 h 20 min"),
    ],
)
def test_times(seconds: float, want: str) -> None:
    assert format_seconds(seconds) == want


@pytest.mark.parametrize(
    ("count", "seconds", "want"), [(100, 4, 25), (100, 0, 0), (-100, 4, 0)]
)
def test_a_rate_is_never_negative(count: int, seconds: float, want: int) -> None:
    assert bytes_per_second(count, seconds) == want
