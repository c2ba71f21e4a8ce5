"""Fixtures that every test may use."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"
