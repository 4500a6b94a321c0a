"""A running taskmaster for each test."""

from collections.abc import Iterator

import pytest

from taskmasters.running import TaskmasterHarness, running


@pytest.fixture
def harness() -> Iterator[TaskmasterHarness]:
    with running(TaskmasterHarness()) as harness:
        yield harness
