"""Runs an api with short deadlines, on a scheduler in memory."""

from collections.abc import Iterator

import pytest

from fakes.api_process import ApiProcess, run_with
from fakes.api_scheduler import MemoryScheduler

# Long enough for a busy machine, short enough for a test.
SHORT = {
    "TESK_API_HEADER_TIMEOUT": "2",
    "TESK_API_BODY_TIMEOUT": "2",
    "TESK_API_SEND_TIMEOUT": "2",
    "TESK_API_IDLE_TIMEOUT": "3",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """One for all tests of a module, which leave it as it was."""
    folder = tmp_path_factory.mktemp("api")
    with run_with(MemoryScheduler(), folder, **SHORT) as process:
        yield process


@pytest.fixture
def memory_scheduler() -> MemoryScheduler:
    return MemoryScheduler()
