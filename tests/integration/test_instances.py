"""Instances side by side on one PostgreSQL and one Redis, behind one name: what one does, the others know."""

import time

import httpx
import psutil
import pytest

from gateway.client.limits import LinkLimits

pytestmark = pytest.mark.integration
CONTENT = b"a,b\n1,2\n" * 100


@pytest.fixture
def instances(start_gateway, new_schema, postgresql, redis_server):
    """Two gateways under the first one's name."""
    shared = {
        "state": {"url": new_schema(), "password_file": str(postgresql.password_file), "timeout": 2},
        "redis": {"url": redis_server.url, "password_file": str(redis_server.password_file)},
    }
    one = start_gateway(shared)
    return one, start_gateway({**shared, "server": {"public_url": one.url}, "audit": {"instance": "gateway-2"}})


@pytest.fixture
def published(instances, sdk, folder, name):
    """A dataset with one file, which the first instance published."""
    sdk("ada", instances[0]).push(folder({"a.csv": CONTENT}), name)
    return name


def get(url, served=None):
    at = url if served is None else url.replace(url.split("/d/")[0], served.url)
    return httpx.get(at, trust_env=False, timeout=15)


def test_what_one_does_the_other_knows_also_without_redis(instances, published, sdk, token_for, redis_server):
    one, two = instances
    ada = sdk("ada", one)
    url = ada.link(f"{published}@v1/a.csv", limits=LinkLimits(uses=3)).url
    answers = [get(url, served).status_code for served in (one, two, one, two, one)]
    assert answers == [200, 200, 200, 403, 403]

    redis_server.process.stop()
    again = ada.link(f"{published}@v1/a.csv", limits=LinkLimits(uses=2)).url
    assert [get(again, served).status_code for served in (one, two, one, two)] == [200, 200, 403, 403]
    assert get(again, two).json()["code"] == get(url, two).json()["code"]

    authorization = {"authorization": f"Bearer {token_for(one, 'ada')}"}  # the first one's token, at the second
    listed = httpx.get(f"{two.url}/v1/{published}", headers=authorization, trust_env=False)
    assert listed.json()["tags"] == {"latest": 1}


def test_a_database_that_hangs_is_a_503_in_time_and_forgotten_when_it_is_over(
    instances, published, token_for, postgresql
):
    one, _ = instances
    authorization = {"authorization": f"Bearer {token_for(one, 'ada')}"}

    def ask():
        return httpx.get(f"{one.url}/v1/{published}", headers=authorization, trust_env=False, timeout=15)

    server = psutil.Process(postgresql.process.pid)
    processes = [server, *server.children()]
    for process in processes:
        process.suspend()
    try:
        time.sleep(1.1)  # what is remembered for a second is forgotten
        began = time.monotonic()
        hung = ask()
        assert (hung.status_code, hung.json()["code"]) == (503, "state-unavailable")
        assert hung.headers["retry-after"]
        assert time.monotonic() - began < 10
    finally:
        for process in processes:
            process.resume()
    assert ask().status_code == 200
