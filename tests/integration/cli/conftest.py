"""Provides the terminal of an operator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.admin_terminal import AdminTerminal, admin_terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[AdminTerminal]:
    with admin_terminal(tmp_path / "a") as terminal:
        yield terminal
