"""The stores that must behave alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.scheduler_observer import ListObserver
from schedulers.databases import postgres_database, sqlite_database
from servers.postgres import postgres_server
from tesk_scheduler.adapters.store.store import SqlTaskStore

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Run a PostgreSQL for the session; return its url."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make a database with the present schema and no task; return its url."""
    if request.param == "sqlite":
        return sqlite_database(tmp_path / "tesk.db")
    return postgres_database(request.getfixturevalue("postgres"))


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
