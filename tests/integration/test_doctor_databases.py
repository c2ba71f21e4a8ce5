"""The doctor looks at PostgreSQL and Redis, and says what is wrong with them."""

import pytest

from gateway.examination import examine

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


async def test_the_doctor_says_what_is_wrong_with_the_databases(
    gateway_config, new_schema, postgresql, redis_server, tmp_path
):
    settings = {
        "state": {"url": new_schema(), "password_file": str(postgresql.password_file)},
        "redis": {"url": redis_server.url, "password_file": str(redis_server.password_file)},
    }
    found = {one.name: one async for one in examine(gateway_config(settings))}
    assert "schema is not there" in found["state"].fault
    assert found["redis"].fault == ""
    missing = str(tmp_path / "no-such-file")
    for part in settings.values():
        part["password_file"] = missing
    found = {one.name: one async for one in examine(gateway_config(settings))}
    assert missing in found["state"].fault
    assert missing in found["redis"].fault
