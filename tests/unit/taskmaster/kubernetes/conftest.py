"""An attempt on a cluster in memory for each test."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from taskmasters.attempts import ClusterHarness
from taskmasters.one_pod import OnePod


@pytest.fixture
def make_harness() -> Iterator[Callable[..., ClusterHarness]]:
    rigs: list[ClusterHarness] = []

    def make(**settings: Any) -> ClusterHarness:
        rigs.append(ClusterHarness(**settings))
        return rigs[-1]

    yield make
    for harness in rigs:
        harness.api.up()
        harness.runtimes.close()


@pytest.fixture
def harness(make_harness: Callable[..., ClusterHarness]) -> ClusterHarness:
    return make_harness()


@pytest.fixture(params=["together", "sequence"])
def rig(request: pytest.FixtureRequest) -> Iterator[OnePod]:
    made = OnePod(request.param)
    with closing(made.runtimes):
        yield made
        made.api.up()
