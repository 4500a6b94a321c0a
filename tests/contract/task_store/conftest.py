"""The stores that must behave alike."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from fakes.scheduler_observer import ListObserver
from servers.postgres import postgres_server
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Run a PostgreSQL for the session; return its url."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make an empty database; return its url."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "tesk.db")
    server: str = request.getfixturevalue("postgres")
    name = f"tesk_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def observer() -> ListObserver:
    """Hear of what the store does."""
    return ListObserver()


@pytest.fixture
def store(url: str, observer: ListObserver) -> Iterator[SqlTaskStore]:
    """Open an empty store."""
    store = SqlTaskStore.open(url, observer=observer)
    yield store
    store.close()
