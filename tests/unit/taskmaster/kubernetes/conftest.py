"""Attempts on clusters in memory, ended with their test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskmasters.attempts import Rig


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**settings: Any) -> Rig:
        rigs.append(Rig(**settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.api.up()
        rig.kit.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()
