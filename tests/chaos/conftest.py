"""Provides both kinds of databases, empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.postgres import postgres_server
from tesk_scheduler.adapters.store.engines import sqlite_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the url of an empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "tesk.db")
    else:
        with postgres_server() as url:
            yield url
