"""Settings that cannot be right are refused at the start, by name, and without their values."""

import os
from datetime import timedelta

import pytest
from pydantic import ValidationError

from gateway.errors import InvalidConfiguration
from gateway.keys.vault_login import login_of
from gateway.settings import LinkSettings, ServerSettings, VaultSettings, load

WHOLE = """
[vault]
address = "http://127.0.0.1:8200"
role_id_file = "role"
secret_id_file = "secret"

[storage]
endpoint = "http://127.0.0.1:8333"
bucket = "data"
access_key_id_file = "id"
secret_access_key_file = "key"

[audit]
directory = "audit"

[policy]
directory = "policies"

[[issuers]]
alias = "people"
issuer = "https://issuer.example"
audiences = ["gateway"]
"""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def loaded(tmp_path):
    """Loads the settings with more at their end."""

    def from_text(more="", text=WHOLE):
        file = tmp_path / "gateway.toml"
        file.write_bytes((text + more).encode() if isinstance(more, str) else text.encode() + more)
        return load(file)

    return from_text


def test_settings_that_are_whole_load(loaded):
    settings = loaded("[links]\ndefault_ttl = 60\n")
    assert settings.links.default_ttl == timedelta(minutes=1)
    assert settings.server.public_url == "http://127.0.0.1:8420"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("[links]\ndefault_ttl = 7200\n", "links"),
        ("[links]\nmax_ttl = 7200\n", "max_ttl"),
        ("[links]\nmin_ttl = 0\n", "links"),
        ("[links]\nmin_ttl = 600\n", "links"),
        ('[links]\ncors_origins = ["*"]\n', "cors_origins"),
        ('[server]\npublic_url = "https://gateway.example/"\n', "public_url"),
        ('[server]\npublic_url = "https://ada@gateway.example"\n', "public_url"),
        ('[server]\npublic_url = "gateway.example"\n', "public_url"),
        ('[server]\npublic_url = "https://gateway.example/?a=b"\n', "public_url"),
        ("[server]\nport = 70000\n", "port"),
        ("[tokens]\nlifetime = 7200\n", "lifetime"),
        ("[nothing]\na = 1\n", "nothing"),
        ("[links", "not valid TOML"),
        (b"# \xff", "not UTF-8"),
    ],
)
def test_what_cannot_be_right_is_named(loaded, more, named):
    with pytest.raises(InvalidConfiguration, match=named):
        loaded(more)


@pytest.mark.parametrize("section", ["vault", "storage"])
def test_nothing_is_waited_for_no_time(loaded, section):
    text = WHOLE.replace(f"[{section}]", f"[{section}]\ntimeout = 0")
    with pytest.raises(InvalidConfiguration, match="timeout"):
        loaded(text=text)


def test_a_variable_that_cannot_be_read_is_named_without_its_value(loaded, monkeypatch):
    monkeypatch.setenv("GATEWAY_ISSUERS", "[a-secret")
    with pytest.raises(InvalidConfiguration, match="issuers") as refused:
        loaded()
    assert "a-secret" not in refused.value.message


def test_a_variable_overrides_the_file(loaded, monkeypatch):
    monkeypatch.setenv("GATEWAY_SERVER__PORT", "9000")
    assert loaded().server.port == 9000


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidConfiguration):
        load(tmp_path / "none.toml")


def test_defaults_hold_to_the_rules():
    assert ServerSettings.model_validate({"public_url": "https://gateway.example/ml"})
    assert LinkSettings.model_validate({"min_ttl": 1, "default_ttl": 1, "max_ttl": 1})


APPROLE = {"role_id_file": "role", "secret_id_file": "secret"}
PLATFORM = {"role": "gateway", "jwt_file": "token"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "auth = 'approle' needs role_id_file"),
        ({"role_id_file": "role"}, "needs secret_id_file"),
        ({**APPROLE, "token_file": "token"}, "has no use for token_file"),
        ({"auth": "kubernetes", "jwt_file": "token"}, "auth = 'kubernetes' needs role"),
        ({"auth": "jwt", "role": "gateway"}, "needs jwt_file"),
        ({"auth": "jwt", **PLATFORM, **APPROLE}, "has no use for role_id_file"),
        ({"auth": "token"}, "auth = 'token' needs token_file"),
        ({"auth": "ldap"}, "auth"),
        ({**APPROLE, "ca_file": "ca.pem"}, "without https://"),
        ({**APPROLE, "address": "vault.example"}, "address"),
        ({**APPROLE, "address": "https://a@vault.example"}, "address"),
        ({**APPROLE, "patience": 0}, "patience"),
    ],
)
def test_a_login_to_vault_has_what_it_needs_and_nothing_else(settings, said):
    with pytest.raises(ValidationError) as refusal:
        VaultSettings(**{"address": "http://127.0.0.1:8200"} | settings)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "settings",
    [
        APPROLE,
        {"auth": "kubernetes", **PLATFORM},
        {"auth": "jwt", "auth_mount": "ci", **PLATFORM},
        {"auth": "token", "token_file": "token"},
        {**APPROLE, "ca_file": "ca.pem", "namespace": "ml"},
    ],
)
def test_each_login_to_vault_is_accepted(settings):
    assert VaultSettings(address="https://vault.example:8200", **settings).auth == settings.get("auth", "approle")


def test_settings_that_were_not_checked_log_nobody_in():
    unchecked = VaultSettings(address="http://127.0.0.1:8200", **APPROLE).model_copy(update={"role_id_file": None})
    with pytest.raises(InvalidConfiguration, match="lacks a file"):
        login_of(unchecked)
