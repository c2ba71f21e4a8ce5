import socket

import pytest

from gateway.devstack import network
from gateway.errors import PortInUse


@pytest.fixture
def busy_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_refused_by_number_and_purpose(busy_port):
    with pytest.raises(PortInUse, match=f"Port {busy_port} .*meant for the gateway") as refusal:
        network.require_free(busy_port, purpose="the gateway", hint="Name another.")
    assert refusal.value.hint == "Name another."


def test_no_port_left_is_said(monkeypatch, busy_port):
    monkeypatch.setattr(network, "_CANDIDATES", range(busy_port, busy_port + 1))
    with pytest.raises(PortInUse, match="No 1 free ports"):
        network.free_ports(1)


def test_a_port_whose_pair_is_taken_is_not_chosen(monkeypatch, busy_port):
    monkeypatch.setattr(network, "_CANDIDATES", range(20_000, 20_001))
    monkeypatch.setattr(network, "GRPC_OFFSET", busy_port - 20_000)
    with pytest.raises(PortInUse):
        network.free_ports(1)


def test_free_ports_are_different_and_free():
    ports = network.free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        network.require_free(port, purpose="a test", hint="")
