"""A gateway that is told to stop says so, serves what comes meanwhile, and finishes what it has begun."""

import os
import signal
import time

import httpx
import psutil
import pytest

from gateway.model import LinkMode

pytestmark = pytest.mark.integration
SIZE = 12 << 20


def test_what_is_under_way_is_finished_and_new_requests_are_served_until_the_end(start_gateway, sdk, folder, name):
    served = start_gateway({"limits": {"drain_delay": 1}})
    content = os.urandom(SIZE)
    ada = sdk("ada", served)
    ada.push(folder({"a.bin": content}), name)
    url = ada.link(f"{name}@v1/a.bin", mode=LinkMode.STREAM).url
    with httpx.Client(trust_env=False, timeout=15) as client, client.stream("GET", url) as download:
        chunks = download.iter_raw(1 << 16)
        received = next(chunks)
        os.kill(served.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while (ready := httpx.get(f"{served.url}/readyz", trust_env=False)).status_code != 503:
            assert time.monotonic() < deadline
        assert ready.json()["code"] == "draining"
        alive = httpx.get(f"{served.url}/v1/login", trust_env=False)
        assert (alive.status_code, alive.headers["connection"]) == (200, "close")
        while accepts(served.url):  # the delay is over when nobody else gets in
            assert time.monotonic() < deadline
            time.sleep(0.05)
        received += b"".join(chunks)
    assert received == content
    assert psutil.Process(served.process.pid).wait(15) == 0


def accepts(url):
    try:
        httpx.get(f"{url}/healthz", trust_env=False, timeout=5)
    except httpx.ConnectError:
        return False
    return True


def test_a_principal_that_asks_too_often_is_told_to_wait_and_the_sdk_waits(start_gateway, sdk, token_for):
    served = start_gateway({"limits": {"principal_requests": 3, "window": 2}})
    authorization = {"authorization": f"Bearer {token_for(served, 'ada')}"}
    with httpx.Client(trust_env=False, headers=authorization) as client:
        answers = [client.get(f"{served.url}/v1/whoami") for _ in range(8)]
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] in {"1", "2"}
    assert refused.headers["ratelimit-policy"] == '"principal";q=3;w=2'
    assert sdk("ada", served).whoami().name == "ada"
