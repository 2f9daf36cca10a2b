"""How Alembic runs here: always on the connection that `Database.upgrade` holds its lock with."""

from __future__ import annotations

from alembic import context

from verifier_api.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a table otherwise
    transactional_ddl=False,  # the caller's transaction is around all of it
)
context.run_migrations()
