"""Names, versions, tags, pushes and wrapped keys in SQL: SQLite by default, PostgreSQL for many instances."""
