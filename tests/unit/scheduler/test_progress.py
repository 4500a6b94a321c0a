"""One line says what a transfer moved."""

import pytest

from tesk_scheduler.domain.progress import NOTHING, Amount, Direction, format_summary

MIB = 2**20
CASES = {
    "moved": (
        (Amount(files=2, size=8 * MIB), 4.0, NOTHING, False),
        "inputs: 2 files, 8 MiB in 4 s (2 MiB/s)",
    ),
    "by a filer of an earlier release": (
        (Amount(files=2, size=8 * MIB), 0.0, NOTHING, False),
        "inputs: 2 files, 8 MiB",
    ),
    "failed": (
        (Amount(files=1, size=4 * MIB), 4.0, NOTHING, True),
        "inputs: failed after 1 file, 4 MiB in 4 s (1 MiB/s)",
    ),
    "resumed by a second filer": (
        (Amount(files=3, size=9 * MIB), 4.0, Amount(files=2, size=5 * MIB), False),
        "inputs: 3 files, 9 MiB; after a restart 1 file, 4 MiB in 4 s (1 MiB/s)",
    ),
}


def test_the_summary_tells_what_came_from_the_cache() -> None:
    total = Amount(files=5, size=8 * MIB)

    line = format_summary(Direction.INPUTS, total, 4.0, cached=3)

    assert line == (
        "inputs: 5 files, 8 MiB in 4 s (2 MiB/s); 3 of 5 files from the cache"
    )


@pytest.mark.parametrize(("numbers", "want"), CASES.values(), ids=CASES)
def test_summary(numbers: tuple[Amount, float, Amount, bool], want: str) -> None:
    total, seconds, resumed, failed = numbers

    line = format_summary(
        Direction.INPUTS, total, seconds, resumed=resumed, failed=failed
    )

    assert line == want
