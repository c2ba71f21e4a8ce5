"""What rules remember, in a small SQLite file: it survives a restart, together with how far detection has come."""

import json
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.audit.ocsf import milliseconds

Note = dict[str, Any]
"""What a rule remembers of a principal: JSON."""

KEPT = timedelta(days=90)
"""Whoever was not seen for so long is forgotten."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
  rule TEXT NOT NULL, about TEXT NOT NULL, note TEXT NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (rule, about)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notes_seen ON notes (seen);
CREATE TABLE IF NOT EXISTS place (seq INTEGER NOT NULL);
"""


class Memory:
    """Notes by rule and principal. What was not committed is forgotten by `rollback`, or by a kill.

    Holds in memory what was touched since the last commit, and nothing else. For one thread at a time.

    Args:
        file: The database; made if it is not there.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = sqlite3.connect(file, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        self._touched: dict[tuple[str, str], Note] = {}

    @property
    def seq(self) -> int:
        """The last record that was looked at."""
        row = self._database.execute("SELECT seq FROM place").fetchone()
        return row[0] if row else 0

    def note(self, rule: str, about: str) -> Note:
        """Return what the rule remembers, to be changed in place."""
        if (rule, about) not in self._touched:
            found = self._database.execute("SELECT note FROM notes WHERE rule = ? AND about = ?", (rule, about))
            row = found.fetchone()
            self._touched[rule, about] = json.loads(row[0]) if row else {}
        return self._touched[rule, about]

    def commit(self, seq: int, at: datetime) -> None:
        """Keep what was noted up to record `seq`, which happened then."""
        now = milliseconds(at)
        rows = [(rule, about, json.dumps(note), now) for (rule, about), note in self._touched.items() if note]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", rows)
            self._database.execute("DELETE FROM notes WHERE seen < ?", (now - KEPT // timedelta(milliseconds=1),))
            self._database.execute("DELETE FROM place")
            self._database.execute("INSERT INTO place VALUES (?)", (seq,))
        self._touched.clear()

    def rollback(self) -> None:
        """Forget what was noted since the last commit."""
        self._touched.clear()

    def close(self) -> None:
        """Close the file."""
        self._database.close()
