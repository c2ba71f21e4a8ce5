"""Events as a table: the one place that says which columns they have, and where in an event each is found.

The journal's lines become rows by DuckDB alone, many at a time, so the archive and a question to the journal agree.
The SQL here is made of what stands in this file and of parameters' names; every value is a parameter (hence S608).
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

_USER = 'STRUCT(uid VARCHAR, "name" VARCHAR, domain VARCHAR, "type" VARCHAR)'
_THING = 'STRUCT(uid VARCHAR, "name" VARCHAR, "version" VARCHAR, tags STRUCT("name" VARCHAR, "value" VARCHAR)[])'
_EVENT = f"""STRUCT(
  metadata STRUCT(uid VARCHAR, correlation_uid VARCHAR), "time" BIGINT, class_uid INTEGER, class_name VARCHAR,
  activity_name VARCHAR, severity_id INTEGER, actor STRUCT("user" {_USER}, "session" STRUCT(uid VARCHAR)),
  "user" {_USER}, app STRUCT(uid VARCHAR), api STRUCT(operation VARCHAR), resources {_THING}[], databucket {_THING},
  "action" VARCHAR, status VARCHAR, status_code VARCHAR, src_endpoint STRUCT(ip VARCHAR, "name" VARCHAR),
  authorizations STRUCT(policy STRUCT("name" VARCHAR))[], unmapped STRUCT(bytes_sent BIGINT))"""

COLUMNS = {
    "seq": "seq",
    "uid": "event.metadata.uid",
    "time": 'coalesce(event."time", 0)',
    "class_name": "coalesce(event.class_name, '')",
    "who": 'coalesce(event.actor."user"."name", event."user"."name", event.app.uid, \'\')',
    "subject": 'coalesce(event.actor."user".uid, event."user".uid, \'\')',
    "issuer": 'coalesce(event.actor."user".domain, event."user".domain, \'\')',
    "kind": 'coalesce(event.actor."user"."type", event."user"."type", \'\')',
    "session": "coalesce(event.actor.\"session\".uid, '')",
    "action": "coalesce(event.api.operation, event.activity_name, '')",
    "resource": "coalesce(event.resources[1].uid, event.databucket.uid, '')",
    "name": 'coalesce(event.resources[1]."name", event.databucket."name", \'\')',
    "version": 'coalesce(event.resources[1]."version", event.databucket."version", \'\')',
    "decision": "coalesce(event.\"action\", '')",
    "status": "coalesce(event.status, '')",
    "code": "coalesce(event.status_code, '')",
    "statements": "coalesce(array_to_string([one.policy.\"name\" FOR one IN event.authorizations], ' '), '')",
    "origin": "coalesce(event.src_endpoint.ip, event.src_endpoint.\"name\", '')",
    "request": "coalesce(event.metadata.correlation_uid, '')",
    "bytes": "coalesce(event.unmapped.bytes_sent, 0)",
}
"""Each column, and what it is of a line's `seq` and `event`. What an event does not say is empty."""

PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 4096"
"""How the archive is written: in groups so small that a question about one principal passes most of them by."""

SORTED = "ORDER BY who, seq"
"""In which order: a principal's events stand together, and each group's bounds tell that others are not in it."""

MEMORY = "512MB"
"""What DuckDB may hold at a time; a longer question goes to the disk."""

_PICKED = ", ".join(f'{found} AS "{name}"' for name, found in COLUMNS.items())
_QUOTED = _EVENT.replace('"', '\\"').replace("\n", " ")


def connect(*, readable: Sequence[Path] = ()) -> duckdb.DuckDBPyConnection:
    """Return a database in memory that fetches nothing.

    Args:
        readable: If given, the only folders whose files it can read; it can write none, and nothing changes that.
    """
    database = duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "threads": 2,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    database.execute("SET parquet_metadata_cache = true")  # a question reads the same files a few times
    database.execute("SET enable_progress_bar = false")  # it would be drawn on the standard output
    if readable:
        folders = ", ".join(f"'{_text(str(folder))}'" for folder in readable)
        database.execute(f"SET allowed_directories = [{folders}]")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
    return database


def journal_rows(instance: str, files: str, where: str) -> str:
    """Return SQL for the rows of journal segments; a line that is still being written is none.

    Args:
        instance: The name of the parameter with the journal's instance, such as `$instance`.
        files: The same of its segments.
        where: A condition on the columns.
    """
    lines = f"read_ndjson({files}, columns={{seq: 'BIGINT', event: '{_EVENT}'}}, ignore_errors=true)"
    rows = f"SELECT {instance}::VARCHAR AS instance, {_PICKED} FROM {lines} WHERE event.metadata.uid IS NOT NULL"  # noqa: S608  # see above
    return f"SELECT * FROM ({rows}) WHERE {where}"  # noqa: S608  # see above


def archived_rows(files: str, where: str, *, columns: Sequence[str] = ("instance", *COLUMNS)) -> str:
    """Return SQL for the rows of archived files; `files` names the parameter, `where` is a condition on the columns."""
    names = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT {names} FROM read_parquet({files}) WHERE {where}"  # noqa: S608  # see above


def lines_to_parquet(instance: str, lines: str, parquet: str) -> None:
    """Write a file of journal lines as Parquet: the columns, and each `line` itself, so that the archive verifies.

    Args:
        instance: Whose journal they are from.
        lines: Path of the lines.
        parquet: Path of what to write.
    """
    line = f"SELECT json::VARCHAR AS line, from_json(json, '\"STRUCT(seq BIGINT, event {_QUOTED})\"') AS x"
    rows = f"SELECT x.seq AS seq, x.event AS event, line FROM ({line} FROM read_ndjson_objects($lines))"  # noqa: S608  # see above
    with connect() as database:
        named = f"SELECT $instance::VARCHAR AS instance, {_PICKED}, line FROM ({rows}) {SORTED}"  # noqa: S608  # see above
        copy = f"COPY ({named}) TO '{_text(parquet)}' ({PARQUET})"
        database.execute(copy, {"lines": lines, "instance": instance})


def _text(value: str) -> str:
    """Return a path as it stands in an SQL string; COPY takes no parameter there."""
    return value.replace("'", "''")
