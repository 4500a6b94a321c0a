"""The database goes away, is replaced or full: nothing is acknowledged, and it shows."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from grpc_health.v1 import health_pb2
from sqlalchemy import create_engine, make_url, text

from builders.scheduler_tasks import make_new_task
from programs.namespaces import mount_namespace
from schedulers.running import running_scheduler
from schedulers.served import RunningScheduler
from servers.postgres import postgres_server
from tesk_api.adapters.scheduler_client import SchedulerClient
from tesk_model.errors import UnavailableError
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.config import SchedulerSettings

DISCONNECT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
)
SERVICE = "tesk.v1.TaskService"

# Fills a small disk of its own, which nobody else sees.
FULL_DISK = """
import os, subprocess, sys
from pathlib import Path
from builders.scheduler_tasks import make_new_task
from tesk_model.errors import UnavailableError
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.records import Document

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
store = SqlTaskStore.open(sqlite_url(disk / "tesk.db"))
store.check_health()
with open(disk / "ballast", "wb") as ballast:
    try:
        while True:
            ballast.write(b"x" * 65536)
            ballast.flush()
    except OSError:
        pass
big = make_new_task("t-1", document=Document(b"x" * 10_000_000))
for work in (lambda: store.write(lambda tx: tx.add_tasks([big])), store.check_health):
    try:
        work()
    except UnavailableError as error:
        print(error.message)
(disk / "ballast").unlink()
store.write(lambda tx: tx.add_tasks([big]))
store.check_health()
print("well again")
"""


def is_serving(running: RunningScheduler, service: str = SERVICE) -> bool:
    """Ask as the api's readiness does."""
    check = running.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    answer = check(health_pb2.HealthCheckRequest(service=service), timeout=100)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningScheduler]:
    """Run a scheduler on a file."""
    settings = SchedulerSettings(tasks_per_taskmaster=2, max_taskmasters=1)
    with running_scheduler(tmp_path, settings) as running:
        yield running


def remove(database: Path) -> None:
    """Remove the database."""
    database.rename(database.with_name("away"))


def replace(database: Path) -> None:
    """Put another database in its place."""
    copy = database.with_name("copy")
    shutil.copy(database, copy)
    remove(database)
    copy.rename(database)


def remove_log(database: Path) -> None:
    """Remove the write-ahead log: it has what is not in the database yet."""
    log = database.with_name(f"{database.name}-wal")
    log.rename(log.with_name("away"))


LOSSES = {"removed": remove, "replaced": replace, "without its log": remove_log}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_nothing_is_acknowledged_into_a_database_that_is_gone(
    running: RunningScheduler, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    (before,) = running.create()

    lose(tmp_path / "tesk.db")

    with pytest.raises(UnavailableError, match="was removed or replaced while"):
        running.create()
    with pytest.raises(UnavailableError, match="restart the scheduler"):
        running.get(before)
    running.eventually(lambda: not is_serving(running))
    assert is_serving(running, "")  # to be looked after, not to be restarted
    api = SchedulerClient(running.channel, new_key=lambda: "key")
    with pytest.raises(UnavailableError, match="does not take calls now"):
        api.check()  # what /readyz answers by


def test_a_database_that_comes_back_is_used_again(
    running: RunningScheduler, tmp_path: Path
) -> None:
    (before,) = running.create()
    remove(tmp_path / "tesk.db")
    running.eventually(lambda: not is_serving(running))

    (tmp_path / "away").rename(tmp_path / "tesk.db")

    running.eventually(lambda: is_serving(running))
    assert running.get(before).id == before
    assert running.create()


def test_a_full_disk_is_not_ready_until_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    tests = str(Path(__file__).parents[1])

    done = subprocess.run(
        [*mount_namespace(), sys.executable, "-c", FULL_DISK, str(tmp_path / "disk")],
        env={"PYTHONPATH": tests, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    refused, health, after = done.stdout.splitlines()
    assert "full" in refused
    assert "the disk of the database is full" in health
    assert after == "well again"


@pytest.mark.engine
def test_a_server_that_became_a_standby_is_not_ready_until_it_leads_again() -> None:
    with postgres_server() as address:
        server = create_engine(address, isolation_level="AUTOCOMMIT")
        name = f"tesk_{uuid4().hex}"
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
            url = make_url(address).set(database=name)
            store = SqlTaskStore.open(url.render_as_string(hide_password=False))
            store.check_health()
            for mode in ("on", "off"):
                connection.execute(
                    text(
                        f"ALTER DATABASE {name} SET default_transaction_read_only={mode}"
                    )
                )
                connection.execute(DISCONNECT, {"name": name})
                if mode == "on":
                    with pytest.raises(UnavailableError):
                        store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
                    with pytest.raises(UnavailableError):
                        store.check_health()
            store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
            store.check_health()
            store.close()
        server.dispose()


def test_acknowledged_tasks_are_in_the_database(tmp_path: Path) -> None:
    store = SqlTaskStore.open(sqlite_url(tmp_path / "tesk.db"))
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    remove(tmp_path / "tesk.db")

    with pytest.raises(UnavailableError):
        store.write(lambda tx: tx.add_tasks([make_new_task("t-2")]))
    store.close()
    (tmp_path / "away").rename(tmp_path / "tesk.db")
    again = SqlTaskStore.open(sqlite_url(tmp_path / "tesk.db"))

    assert again.usage_of_all()
    again.close()
