"""The metrics of a running gateway, on their own port alone."""

import httpx
import pytest

from gateway.devstack.network import free_ports
from gateway.errors import ProcessFailed

pytestmark = pytest.mark.integration


def test_metrics_are_on_their_own_port_and_say_what_happened(start_gateway, sdk, folder, name):
    (port,) = free_ports(1)
    served = start_gateway({"metrics": {"port": port}})
    ada = sdk("ada", served)
    ada.push(folder({"a.csv": b"1"}), name)
    ada.link(f"{name}@v1/a.csv")
    assert httpx.get(f"{served.url}/metrics", trust_env=False).status_code == 404
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    expected = [
        'gateway_requests_total{route="/v1/{kind}/{namespace}/{name}/versions/{ref}/links",status="200"} 1.0',
        'gateway_links_total{how="stream"} 1.0',
        'gateway_decisions_total{action="gateway:ReadFile",outcome="allow"} 1.0',
        'gateway_part_up{part="vault"} 1.0',
        'gateway_circuit_open{part="vault"} 0.0',
        'gateway_requests_inside{kind="requests"} 0.0',
        'gateway_database_connections{state="most"} 8.0',
        'gateway_sink_waiting_events{sink="detection"}',
        'gateway_key_cache_total{result="found"}',
    ]
    assert [line for line in expected if line not in text] == []
    assert name.split("/")[-1] not in text


def test_a_port_that_is_taken_is_named(start_gateway, shared):
    port = int(shared.url.rpartition(":")[2])
    with pytest.raises(ProcessFailed, match=f"Port {port} on 127.0.0.1 is in use"):
        start_gateway({"metrics": {"port": port}})
