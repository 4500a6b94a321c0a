"""Migrations make exactly the schema that the code uses."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect

from tesk_scheduler.adapters.store import migrate as migration
from tesk_scheduler.adapters.store.migrate import migrate
from tesk_scheduler.adapters.store.schema import METADATA
from tesk_scheduler.adapters.store.store import SqlTaskStore


def downgrade(engine: Engine) -> None:
    """Take every migration back."""
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(migration._SCRIPTS))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


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

    downgrade(engine)
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
