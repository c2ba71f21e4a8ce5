from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from gateway.state.models import Base, UtcDateTime


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=lambda dialect: dialect.name)
class TestTimes:
    def test_a_time_without_zone_is_refused(self, dialect):
        with pytest.raises(ValueError, match="no time zone"):
            UtcDateTime().process_bind_param(datetime(2030, 1, 1), dialect)

    def test_a_time_goes_in_and_comes_out_as_utc(self, dialect):
        noon = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
        stored = UtcDateTime().process_bind_param(noon, dialect)
        for answered in (stored, stored.replace(tzinfo=None), noon):
            found = UtcDateTime().process_result_value(answered, dialect)
            assert found == noon
            assert found.tzinfo is UTC

    def test_none_stays_none(self, dialect):
        assert UtcDateTime().process_bind_param(None, dialect) is None
        assert UtcDateTime().process_result_value(None, dialect) is None


@pytest.mark.anyio
async def test_the_migrations_make_the_tables_of_the_models(database):
    def differences(session):
        return compare_metadata(MigrationContext.configure(session.connection()), Base.metadata)

    assert await database.read(differences) == []


def test_names_sort_by_code_point_on_postgresql():
    made = str(CreateTable(Base.metadata.tables["resources"]).compile(dialect=postgresql.dialect()))
    assert made.count('COLLATE "C"') == 3


def test_no_column_could_hold_a_key_in_the_clear():
    columns = {column.name for table in Base.metadata.tables.values() for column in table.columns}
    assert not {name for name in columns if "secret" in name or "plaintext" in name or name.endswith("key")}
