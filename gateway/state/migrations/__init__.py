"""Alembic's folder: `schema.migrate` runs it, on a connection that it hands over."""
