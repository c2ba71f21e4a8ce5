"""Settings, read once at start from gateway.toml and `GATEWAY_*`. The only reader of the environment in the server.

Secrets are named by file, never held in the settings themselves, so that a dump of them gives nothing away.
"""

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway.errors import InvalidConfiguration
from gateway.model import PrincipalKind

Seconds = Annotated[timedelta, Field(description="Seconds, or ISO 8601 like 'PT5M'.")]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Section):
    """Where the gateway listens, and how much it reads."""

    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65535)
    public_url: str = "http://127.0.0.1:8420"
    """How clients reach us: the base of stream links and the `iss` and `aud` of gateway tokens."""
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    max_commit_bytes: int = Field(default=1 << 30, ge=1 << 20)
    """The longest list of files that one publish may carry."""


class StateSettings(_Section):
    """The database of names, versions, tags and wrapped keys."""

    url: str = "sqlite:///gateway.db"


class VaultSettings(_Section):
    """Vault or OpenBao, reached by AppRole."""

    address: str
    role_id_file: Path
    secret_id_file: Path
    auth_mount: str = "approle"
    transit_mount: str = "transit"
    namespace: str | None = None
    ca_file: Path | None = None
    timeout: Seconds = timedelta(seconds=5)


class StorageSettings(_Section):
    """One S3 bucket."""

    endpoint: str
    """What clients and the gateway both reach; links are signed for it."""
    bucket: str
    region: str = "us-east-1"
    access_key_id_file: Path
    secret_access_key_file: Path
    timeout: Seconds = timedelta(seconds=20)


class AuditSettings(_Section):
    """Where the journal is kept."""

    directory: Path
    instance: str = Field(default="gateway-1", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")


class PolicySettings(_Section):
    """Where the policies are."""

    directory: Path


class LinkSettings(_Section):
    """How long links live."""

    default_ttl: Seconds = timedelta(minutes=5)
    min_ttl: Seconds = timedelta(seconds=1)
    max_ttl: Seconds = timedelta(hours=1)


class TokenSettings(_Section):
    """Gateway tokens."""

    lifetime: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(hours=1)


class ClaimMapping(_Section):
    """Which claims make a principal. A claim is a name, or a path with dots where no claim has the whole name."""

    user: str = "sub"
    groups: str | None = "groups"
    user_prefix: str = ""
    group_prefix: str = ""
    attributes: dict[str, str] = {}
    """Tag name to claim; `aws:PrincipalTag/…` in policies."""
    keep: list[str] = []
    """Claims that policies may ask for, as `oidc:<claim>`; all others are dropped."""


class IssuerSettings(_Section):
    """An OIDC or workload identity provider that we trust."""

    alias: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    issuer: str
    audiences: list[str] = Field(min_length=1)
    kind: PrincipalKind = PrincipalKind.USER
    algorithms: list[Algorithm] = ["RS256", "ES256"]
    claims: ClaimMapping = ClaimMapping()
    leeway: Seconds = timedelta(seconds=30)
    client_id: str | None = None
    """The public client that `gateway login` uses; none where people do not log in."""
    scopes: list[str] = ["openid"]


class Settings(BaseSettings):
    """Everything that `gateway serve` needs."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerSettings = ServerSettings()
    state: StateSettings = StateSettings()
    vault: VaultSettings
    storage: StorageSettings
    audit: AuditSettings
    policy: PolicySettings
    links: LinkSettings = LinkSettings()
    tokens: TokenSettings = TokenSettings()
    issuers: list[IssuerSettings] = Field(min_length=1)
    development: bool = False
    """Set by `gateway dev`: allows plain HTTP to issuers on loopback."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment override the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(file: Path) -> Settings:
    """Return the settings of a TOML file, with `GATEWAY_*` variables over it.

    Raises:
        InvalidConfiguration: the file is no TOML, or a setting is missing, unknown or out of its range; all are named.
    """

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromFile()
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfiguration(f"{file} is not valid TOML: {error}.") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise InvalidConfiguration(f"{file}: {faults}.", hint="README.md lists the settings.") from error
    except OSError as error:
        raise InvalidConfiguration(f"Cannot read {file}: {error.strerror}.") from error
