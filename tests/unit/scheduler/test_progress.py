"""Progress reads like a sentence."""

import pytest

from tesk_scheduler.domain.progress import Progress, format_progress, format_result

CASES = {
    "all known": ((3, 10, 12 * 2**20, 1288490189), "3 of 10 files, 12 MiB of 1.2 GiB"),
    "totals not known yet": ((3, 0, 512, 0), "3 files, 512 B"),
}


@pytest.mark.parametrize(("numbers", "want"), CASES.values(), ids=CASES)
def test_progress(numbers: tuple[int, int, int, int], want: str) -> None:
    files_done, files_total, bytes_done, bytes_total = numbers
    progress = Progress(
        files_done=files_done,
        files_total=files_total,
        bytes_done=bytes_done,
        bytes_total=bytes_total,
    )

    assert format_progress(progress) == want


def test_results() -> None:
    assert format_result(1, 0) == "1 file, 0 B"
    assert format_result(2, 2**20) == "2 files, 1 MiB"
