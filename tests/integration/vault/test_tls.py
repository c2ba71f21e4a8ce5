"""Vault behind TLS: the one authority that the settings name vouches for it, and no other."""

import pytest

from gateway.errors import InvalidConfiguration, VaultUnavailable
from gateway.settings import VaultSettings

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


@pytest.fixture(scope="module")
def settings(tls_bao, tmp_path_factory):
    folder = tmp_path_factory.mktemp("login")
    tls_bao.set_up(folder)
    return VaultSettings(
        address=tls_bao.address,
        role_id_file=folder / "vault-role-id",
        secret_id_file=folder / "vault-secret-id",
        ca_file=tls_bao.authority,
    )


@pytest.fixture
def another_authority(authority_pem, tmp_path):
    file = tmp_path / "another-ca.pem"
    file.write_text(authority_pem)
    return file


async def test_another_authority_is_refused_by_name(transit, settings, another_authority):
    with pytest.raises(VaultUnavailable, match=r"another-ca\.pem: .*certificate") as refusal:
        await transit(settings, ca_file=another_authority).check()
    assert "vault.ca_file" in refusal.value.hint


async def test_without_a_pinned_authority_a_private_one_is_refused(transit, settings):
    with pytest.raises(VaultUnavailable, match="this system's authorities"):
        await transit(settings, ca_file=None).check()


async def test_a_vault_without_tls_is_refused(transit, settings, stack):
    with pytest.raises(VaultUnavailable, match="no TLS connection"):
        await transit(settings, address=stack.vault.replace("http://", "https://")).check()


def test_a_file_that_is_away_is_named_at_the_start(transit, settings, tmp_path):
    with pytest.raises(InvalidConfiguration, match=r"none\.pem cannot be used: No such file"):
        transit(settings, ca_file=tmp_path / "none.pem")


def test_a_file_without_a_certificate_is_named_at_the_start(transit, settings):
    with pytest.raises(InvalidConfiguration, match="holds no certificate"):
        transit(settings, ca_file=settings.role_id_file)


async def test_nothing_of_the_environment_is_shown_or_believed(transit, settings, monkeypatch):
    for name in ("VAULT_CLIENT_CERT", "VAULT_CACERT", "VAULT_CAPATH"):
        monkeypatch.setattr(f"hvac.v1.{name}", "/no/such/file")
    monkeypatch.setenv("VAULT_TOKEN", "somebody-elses")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    await transit(settings).check()


async def test_the_pinned_authority_is_believed(transit, settings):
    await transit(settings).check()
