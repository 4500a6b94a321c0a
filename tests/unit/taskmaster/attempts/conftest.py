"""A taskmaster, ended with its test."""

from collections.abc import Iterator

import pytest

from taskmasters.running import Crew, running


@pytest.fixture
def crew() -> Iterator[Crew]:
    with running(Crew()) as crew:
        yield crew
