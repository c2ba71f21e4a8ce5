"""PostgreSQL and Redis as the tests start them: they ask for their passwords, and end with us."""

import psutil
import psycopg
import pytest

from gateway.devstack import postgresql
from gateway.devstack.folder import StateFolder
from gateway.devstack.postgresql import PostgreSQL
from gateway.errors import LocalError, ProcessFailed


def connect(server, **options):
    return psycopg.connect(host="127.0.0.1", port=server.port, user="gateway", dbname="postgres", **options)


def test_postgresql_refuses_whoever_has_no_password(postgresql):
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        connect(postgresql)


def test_a_postgresql_that_cannot_be_made_says_why_and_leaves_nothing_behind(tmp_path):
    with StateFolder(tmp_path) as folder:
        folder.subfolder("postgresql")
        folder.keep_secret("postgresql-password", "")  # initdb takes no empty password
        with pytest.raises(ProcessFailed, match=r"initdb ended with exit code 1: .*password file"):
            PostgreSQL.start(folder, port=1)
    assert list((tmp_path / "postgresql").iterdir()) == []


def test_root_without_a_way_to_become_another_user_is_told(monkeypatch):
    monkeypatch.setattr(postgresql.os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgresql.shutil, "which", lambda _: None)
    with pytest.raises(LocalError, match="does not run as root"):
        postgresql._as_somebody()


def test_an_ordinary_user_stays_who_they_are(monkeypatch):
    monkeypatch.setattr(postgresql.os, "geteuid", lambda: 1000)
    assert postgresql._as_somebody() == []


def test_postgresql_is_version_18_and_listens_on_loopback_alone(postgresql):
    with connect(postgresql, password=postgresql.password_file.read_text()) as connection:
        assert connection.info.server_version // 10000 == 18
    listening = [
        one.laddr for one in psutil.Process(postgresql.process.pid).net_connections() if one.status == "LISTEN"
    ]
    assert [address.ip for address in listening] == ["127.0.0.1"]
