"""Migrations make exactly the schema that the code uses."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text

from builders.scheduler_tasks import make_new_task
from contract.task_store.conftest import BACKENDS
from schedulers.databases import empty_postgres_database
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId, TransferStatus
from tesk_scheduler.adapters.store import migrate as migration
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.migrate import migrate
from tesk_scheduler.adapters.store.schema import METADATA
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.load import Interval


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make a database without a schema, to which a test applies migrations."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "tesk.db")
    return empty_postgres_database(request.getfixturevalue("postgres"))


def move(engine: Engine, revision: str, *, by: Callable[[Config, str], None]) -> None:
    """Apply migrations, or take them back, until the schema is ``revision``."""
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(migration._SCRIPTS))
        config.attributes["connection"] = connection
        by(config, revision)


def test_the_migrations_make_the_schema(url: str) -> None:
    engine = create_engine(url)

    migrate(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        differences = compare_metadata(context, METADATA)
    engine.dispose()
    assert differences == []


def test_migrations_can_be_taken_back_and_applied_again(url: str) -> None:
    engine = create_engine(url)
    migrate(engine)

    move(engine, "base", by=command.downgrade)
    left = set(inspect(engine).get_table_names())
    migrate(engine)

    again = set(inspect(engine).get_table_names())
    engine.dispose()
    assert left <= {"alembic_version"}
    assert again >= set(METADATA.tables)


def test_a_store_is_opened_again_with_what_it_has(url: str) -> None:
    SqlTaskStore.open(url).close()

    store = SqlTaskStore.open(url)

    assert store.fleet() == []
    store.close()


# A finished task, as the schema before had it.
OLD_TASK = """
INSERT INTO task (seq, id, owner, state, cpu_millis, ram, disk, attempt, released,
  last_sequence, reason, inputs_finished, outputs_finished, created, queued)
VALUES (:seq, :id, 'alice', 6, 1, 1, 1, 1, true, 1, '', true, true, 0, 0)
"""
OLD_FILE = """
INSERT INTO output_file (task_seq, fingerprint, position, url, path, size)
VALUES (:seq, :print, :position, :url, '/out/é', 7)
"""


def test_outputs_from_before_they_were_bounded_are_counted(url: str) -> None:
    engine = create_engine(url)
    move(engine, "0003", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(
            text(OLD_TASK), [{"seq": 1, "id": "t-1"}, {"seq": 2, "id": "t-2"}]
        )
        connection.execute(
            text(OLD_FILE),
            [
                {"seq": 1, "print": f"{number}", "position": number, "url": "s3://b/o"}
                for number in range(3)
            ],
        )

    migrate(engine)

    with engine.connect() as connection:
        counts = connection.execute(
            text("SELECT output_files, output_bytes, outputs_unlisted FROM task")
        )
        found = sorted(tuple(row) for row in counts)
    engine.dispose()
    assert found == [(0, 0, 0), (3, 3 * (8 + 7), 0)]


OLD_REASON = """
INSERT INTO task (seq, id, owner, state, cpu_millis, ram, disk, attempt, released,
  last_sequence, reason, inputs_finished, outputs_finished, created, queued)
VALUES (1, 't-1', 'alice', 3, 1, 1, 1, 1, false, 0, :reason, false, false, 0, 0)
"""
OLD_REASONS = {
    "waiting for a taskmaster: no node": ReasonCode.TASKMASTER_STARTING,
    "no taskmaster can be started: quota": ReasonCode.TASKMASTER_REFUSED,
    "pulling image alpine": ReasonCode.NONE,
    "": ReasonCode.NONE,
}


@pytest.mark.parametrize("reason", OLD_REASONS)
def test_reasons_from_before_they_had_codes_are_read(url: str, reason: str) -> None:
    engine = create_engine(url)
    move(engine, "0004", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(text(OLD_REASON), {"reason": reason})
    engine.dispose()

    store = SqlTaskStore.open(url)

    record = store.record(TaskId("t-1"))
    shown = store.tasks([TaskId("t-1")], owner=None, full=True, max_bytes=0).tasks
    store.close()
    assert record is not None
    assert record.reason == Reason(OLD_REASONS[reason], reason)
    assert list(shown) == []  # it has no document


def test_a_task_from_before_transfers_were_told_gets_them(url: str) -> None:
    engine = create_engine(url)
    move(engine, "0006", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(text(OLD_REASON), {"reason": ""})
        connection.execute(
            text("INSERT INTO document (task_seq, body) VALUES (1, :body)"),
            {"body": b""},
        )
    engine.dispose()
    status = TransferStatus(direction="inputs", files_done=1)

    store = SqlTaskStore.open(url)

    def shown() -> Sequence[TransferStatus]:
        [task] = store.tasks([TaskId("t-1")], owner=None, full=True, max_bytes=0).tasks
        return task.transfers

    before = list(shown())
    store.write(lambda tx: tx.put_transfer(1, status))
    after = shown()
    store.close()
    assert (before, after) == ([], [status])


OLD_LOG = """
INSERT INTO executor_log (task_seq, position, exit_code, stdout, stderr)
VALUES (1, 0, 0, :nothing, :nothing)
"""


def test_executors_from_before_their_usage_was_kept_have_none(url: str) -> None:
    engine = create_engine(url)
    move(engine, "0014", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(text(OLD_TASK), {"seq": 1, "id": "t-1"})
        connection.execute(
            text("INSERT INTO document (task_seq, body) VALUES (1, :body)"),
            {"body": b""},
        )
        connection.execute(text(OLD_LOG), {"nothing": b""})
    engine.dispose()

    store = SqlTaskStore.open(url)

    [task] = store.tasks([TaskId("t-1")], owner=None, full=True, max_bytes=0).tasks
    store.close()
    [log] = task.executors
    assert (log.exit_code, log.cpu, log.max_memory) == (0, None, None)


def test_tasks_from_before_groups_were_kept_have_none(url: str) -> None:
    engine = create_engine(url)
    move(engine, "0007", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(text(OLD_TASK), {"seq": 1, "id": "t-1"})
    engine.dispose()

    store = SqlTaskStore.open(url)

    record = store.record(TaskId("t-1"))
    store.close()
    assert record is not None
    assert record.groups == ()


def test_a_code_of_a_later_release_is_read_as_none(
    url: str, store: SqlTaskStore
) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE task SET reason_code = 'UNHEARD', reason = 'x'")
        )
    engine.dispose()

    [shown] = store.tasks([TaskId("t-1")], owner=None, full=True, max_bytes=0).tasks

    assert shown.reason == Reason(ReasonCode.NONE, "x")


# Fails as a statement does that takes longer than queries may.
TAKES_LONG = """
CREATE FUNCTION takes_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('statement_timeout') <> '0' THEN
    RAISE 'canceling statement due to statement timeout';
  END IF;
  RETURN NEW;
END $$
"""
ON_EACH = """
CREATE TRIGGER each BEFORE UPDATE ON task FOR EACH ROW EXECUTE FUNCTION takes_long()
"""


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.engine
def test_a_migration_may_take_longer_than_a_query(url: str) -> None:
    engine = create_engine(url)
    move(engine, "0003", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(text(OLD_TASK), {"seq": 1, "id": "t-1"})
        file = {"seq": 1, "print": "0", "position": 0, "url": "s3://b/o"}
        connection.execute(text(OLD_FILE), file)
        connection.execute(text(TAKES_LONG))
        connection.execute(text(ON_EACH))
    engine.dispose()

    store = SqlTaskStore.open(url)

    with store._engines.reader.connect() as connection:
        limit = connection.scalar(text("SHOW statement_timeout"))
    store.close()
    assert limit == "10s"


OLD_QUEUED = OLD_REASON.replace("'t-1', 'alice', 3,", "'t-1', 'alice', 2,").replace(
    ", 1, false, 0, :reason", ", 0, true, 0, :reason"
)


def test_tasks_from_before_priorities_have_none_and_are_in_their_queue(
    url: str,
) -> None:
    engine = create_engine(url)
    move(engine, "0008", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(text(OLD_QUEUED), {"reason": ""})
        connection.execute(
            text(
                "INSERT INTO usage (kind, name, running, queued, cpu_millis, ram, disk)"
                " VALUES ('user', 'alice', 0, 1, 0, 0, 0)"
            )
        )
    engine.dispose()

    store = SqlTaskStore.open(url)

    [[task]] = store.queues(9)
    store.close()
    assert (task.id, task.priority) == ("t-1", 0)


def test_tasks_from_before_the_load_was_shown_are_counted(url: str) -> None:
    engine = create_engine(url)
    move(engine, "0015", by=command.upgrade)
    with engine.begin() as connection:
        connection.execute(text(OLD_TASK), [{"seq": 1, "id": "t-1"}])
        connection.execute(text("UPDATE task SET started = 1000000, ended = 2000000"))
    engine.dispose()
    store = SqlTaskStore.open(url)
    began = datetime(1970, 1, 1, tzinfo=UTC)

    [counts] = store.interval_counts(
        [Interval(began, began + timedelta(minutes=1))], owner="alice"
    )

    store.close()
    assert (counts.queued, counts.started, counts.complete) == (1, 1, 1)
    assert counts.waited == timedelta(seconds=1)
