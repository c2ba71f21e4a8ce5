"""Runs the migrations inside the transaction of the connection that `schema.migrate` hands over."""

from alembic import context

from gateway.state.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite and PostgreSQL both roll tables back with the transaction: a migration happens whole or not at all.
    transactional_ddl=True,
)
context.run_migrations()
