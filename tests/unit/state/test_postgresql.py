"""What PostgreSQL can do to us, and that each is over in time and said plainly."""

import os
import secrets
import signal
import threading
import time
from datetime import timedelta

import anyio
import psycopg
import pytest
from sqlalchemy import text

from gateway.errors import InvalidConfiguration, StateUnavailable
from gateway.state.engine import Database

pytestmark = pytest.mark.anyio

SOON = timedelta(milliseconds=300)


def select_one(session):
    return session.scalar(text("SELECT 1"))


def sleep(session):
    return session.execute(text("SELECT pg_sleep(30)"))


def process_of(session):
    return session.scalar(text("SELECT pg_backend_pid()"))


@pytest.fixture
def opened(open_database, postgresql_url):
    """Opens the test's database with options."""
    return lambda more="", **options: open_database(postgresql_url + more, **options)


@pytest.fixture
def administrator(postgresql):
    password = postgresql.password_file.read_text()
    with psycopg.connect(
        host="127.0.0.1", port=postgresql.port, user="gateway", password=password, dbname="postgres", autocommit=True
    ) as connection:
        yield connection


@pytest.fixture
def role(administrator):
    name = f"role_{secrets.token_hex(4)}"
    administrator.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'first'")
    yield name
    administrator.execute(f"DROP ROLE {name}")


class TestPasswords:
    def test_a_url_with_a_password_is_refused_without_being_shown(self):
        with pytest.raises(InvalidConfiguration, match="holds a password") as refused:
            Database("postgresql://gateway:hunter2@127.0.0.1/gateway")
        assert "state.password_file" in refused.value.hint
        assert "hunter2" not in refused.value.message + refused.value.hint

    async def test_a_file_that_is_not_there_is_named(self, opened, tmp_path):
        with pytest.raises(StateUnavailable, match="no-such-file"):
            await opened(password_file=tmp_path / "no-such-file").read(select_one)

    async def test_a_wrong_password_is_refused_without_being_shown(self, opened, tmp_path):
        wrong = tmp_path / "password"
        wrong.write_text("hunter2")
        with pytest.raises(StateUnavailable, match="password authentication failed") as refused:
            await opened(password_file=wrong).read(select_one)
        assert "hunter2" not in refused.value.message + str(refused.value.__cause__)

    async def test_a_new_password_is_taken_up_without_a_restart(self, postgresql, administrator, role, tmp_path):
        file = tmp_path / "password"
        file.write_text("first\n")
        database = Database(postgresql.url.replace("gateway@", f"{role}@"), password_file=file)
        process = await database.read(process_of)
        administrator.execute(f"ALTER ROLE {role} PASSWORD 'second'")
        file.write_text("second\n")
        assert await database.read(process_of) == process  # what is open stays open
        administrator.execute("SELECT pg_terminate_backend(%s)", [process])
        assert await database.read(process_of) != process
        await database.close()


class TestTime:
    async def test_a_server_that_hangs_is_given_up_and_used_again_once_it_answers(self, opened):
        database = opened(timeout=SOON)
        process = await database.read(process_of)
        os.kill(process, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(StateUnavailable, match=r"did not answer in 0\.3 s"):
                await database.write(select_one)
            assert time.monotonic() - began < 5
            assert await database.read(process_of) != process  # on a connection of its own
        finally:
            os.kill(process, signal.SIGCONT)

    async def test_a_statement_that_takes_too_long_is_ended_by_the_server(self, opened):
        with pytest.raises(StateUnavailable, match=r"statement timeout|did not answer"):
            await opened(timeout=SOON).write(sleep)

    async def test_nobody_waits_for_a_connection_for_ever(self, opened):
        database = opened(timeout=SOON, connections=1)
        leave = threading.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(database.read, lambda _: leave.wait(10))
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(StateUnavailable, match="did not answer"):
                await database.read(select_one)
            leave.set()

    async def test_a_longer_patience_is_for_the_one_transaction_that_asks_for_it(self, opened):
        def sleep_a_little(session):
            session.execute(text("SET LOCAL statement_timeout = 0"))
            return session.scalar(text("SELECT 1 FROM pg_sleep(0.5)"))

        assert await opened(timeout=SOON).write(sleep_a_little, patience=timedelta(seconds=20)) == 1

    async def test_an_instance_holds_no_more_connections_than_it_may(self, opened, administrator):
        name = f"test-{secrets.token_hex(4)}"
        database = opened(f"%20-capplication_name%3D{name}", connections=2)
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(database.read, select_one)
        found = administrator.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name])
        assert found.fetchone() == (2,)


class TestTransactions:
    async def test_reading_changes_nothing(self, opened):
        with pytest.raises(StateUnavailable, match="read-only transaction"):
            await opened().read(lambda session: session.execute(text("CREATE TABLE nothing (id int)")))

    async def test_reading_sees_one_state(self, opened):
        database = opened()
        await database.write(lambda session: session.execute(text("CREATE TABLE things (id int)")))

        def count_twice(session):
            first = session.scalar(text("SELECT count(*) FROM things"))
            anyio.from_thread.run(database.write, lambda s: s.execute(text("INSERT INTO things VALUES (1)")))
            return first, session.scalar(text("SELECT count(*) FROM things"))

        assert await database.read(count_twice) == (0, 0)
        assert await database.read(lambda session: session.scalar(text("SELECT count(*) FROM things"))) == 1

    async def test_a_broken_connection_is_replaced_and_nothing_is_seen_of_it(self, opened, administrator):
        database = opened(connections=3)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(database.read, select_one)
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ml-data-gateway'"
        )
        assert [await database.write(select_one) for _ in range(5)] == [1] * 5

    async def test_what_breaks_again_and_again_is_said(self, opened):
        def end_yourself(session):
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(StateUnavailable, match="terminating connection"):
            await opened().write(end_yourself)

    async def test_two_that_wait_for_each_other_both_get_through(self, opened):
        database = opened("%20-cdeadlock_timeout%3D20ms")
        await database.write(
            lambda session: session.execute(text("CREATE TABLE things AS SELECT 1 AS id UNION SELECT 2"))
        )
        meet = threading.Barrier(2)
        tries = []

        def update_both(session, order):
            tries.append(order)
            for number in order:
                session.execute(text("UPDATE things SET id = id WHERE id = :id"), {"id": number})
                if number == order[0] and tries.count(order) == 1:
                    meet.wait(30)

        async with anyio.create_task_group() as group:
            for order in ((1, 2), (2, 1)):
                group.start_soon(database.write, lambda session, order=order: update_both(session, order))
        assert len(tries) == 3


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
async def test_the_driver_need_not_be_named(postgresql, scheme):
    database = Database(postgresql.url.replace("postgresql+psycopg", scheme), password_file=postgresql.password_file)
    assert await database.read(select_one) == 1
    await database.close()
