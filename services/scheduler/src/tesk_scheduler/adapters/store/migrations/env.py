"""What Alembic runs; the connection comes from ``migrate``."""

from alembic import context

from tesk_scheduler.adapters.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
