import fsspec
import pytest

from gateway.client.filesystem import GatewayFileSystem


@pytest.fixture
def fs(gateway, monkeypatch):
    """The file system, as a library gets it: by the environment."""
    monkeypatch.setenv("GATEWAY_URL", gateway.url)
    monkeypatch.setenv("GATEWAY_TOKEN", "made-up-token")
    yield fsspec.filesystem("gateway", skip_instance_cache=True)
    GatewayFileSystem.clear_instance_cache()
