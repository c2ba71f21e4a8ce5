"""The address that policies decide by: the connection's own, or what a trusted proxy says."""

import pytest

pytestmark = pytest.mark.integration

SENT = {"x-forwarded-for": "198.51.100.7, 203.0.113.9", "x-request-id": "where-from"}


def source_of(api, served, request_id):
    api("ada", served).get("/v1/resources", headers={**SENT, "x-request-id": request_id})
    (entry,) = served.told_of(request_id)
    return entry.origin


def test_a_forwarded_address_is_not_believed(start_gateway, api):
    assert source_of(api, start_gateway(), "stranger") == "127.0.0.1"


def test_a_trusted_proxy_is_believed_and_whoever_is_before_it_is_not(start_gateway, api):
    served = start_gateway({"server": {"trusted_proxies": ["127.0.0.0/8"]}})
    assert source_of(api, served, "proxy") == "203.0.113.9"
    served = start_gateway({"server": {"trusted_proxies": ["127.0.0.0/8", "203.0.113.0/24"]}})
    assert source_of(api, served, "proxies") == "198.51.100.7"


def test_what_is_no_network_is_refused(start_gateway):
    with pytest.raises(Exception, match=r"server\.trusted_proxies"):
        start_gateway({"server": {"trusted_proxies": ["everybody"]}})
