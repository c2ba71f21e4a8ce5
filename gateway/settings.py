"""Settings, read once at start from gateway.toml and `GATEWAY_*`. The only reader of the environment in the server.

Secrets are named by file, never held in the settings themselves, so that a dump of them gives nothing away.
"""

import tomllib
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from gateway.errors import InvalidConfiguration
from gateway.model import PrincipalKind, Secret

Seconds = Annotated[timedelta, Field(description="Seconds, or ISO 8601 like 'PT5M'.")]
Patience = Annotated[timedelta, Field(gt=timedelta(0), description="Seconds, or ISO 8601 like 'PT5S'.")]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Section):
    """Where the gateway listens, and how much it reads."""

    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65535)
    public_url: str = Field(default="http://127.0.0.1:8420", pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?$")
    """How clients reach us: the base of stream links and the `iss` and `aud` of gateway tokens. No slash at its end."""
    trusted_proxies: list[IPvAnyNetwork] = []
    """Networks of our own proxies. From there alone X-Forwarded-For and -Proto are believed, for `aws:SourceIp`."""
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    max_commit_bytes: int = Field(default=1 << 30, ge=1 << 20)
    """The longest list of files that one publish may carry."""


class StateSettings(_Section):
    """The database of names, versions, tags and wrapped keys."""

    url: str = "sqlite:///gateway.db"
    """A file, or for many instances a PostgreSQL: `postgresql://USER@HOST/NAME?sslmode=verify-full`. No password."""
    password_file: Path | None = None
    """PostgreSQL's password; read again for each connection, so that it can be replaced while we run."""
    connections: int = Field(default=8, ge=1, le=100)
    """How many an instance holds at most."""
    timeout: Patience = timedelta(seconds=5)
    """How long a transaction waits for a free connection, and how long it may then take."""


class RedisSettings(_Section):
    """Redis, by which many instances learn of each other at once. None of them needs it to serve."""

    url: str = Field(pattern=r"^rediss?://[^\s]+$")
    """`rediss://[USER@]HOST[:PORT][/NUMBER][?ssl_ca_certs=FILE]`. No password."""
    password_file: Path | None = None
    """Read again for each connection, so that it can be replaced while we run."""


class VaultSettings(_Section):
    """Vault or OpenBao, and who we are to it. Files with secrets are read again when they change."""

    address: str = Field(pattern=r"^https?://[^\s/?#@]+$")
    auth: Literal["approle", "kubernetes", "jwt", "token"] = "approle"
    """How we log in: each way with the files below that it needs, and no other."""
    auth_mount: str | None = None
    """Where the auth method is mounted, if not under its own name."""
    role_id_file: Path | None = None
    """With `approle`, as the next one."""
    secret_id_file: Path | None = None
    role: str | None = None
    """With `kubernetes` and `jwt`: the role to ask for."""
    jwt_file: Path | None = None
    """With `kubernetes` and `jwt`: the token to show. A pod's own is at
    /var/run/secrets/kubernetes.io/serviceaccount/token."""
    token_file: Path | None = None
    """With `token`: a token that somebody else, like Vault Agent, keeps good."""
    transit_mount: str = "transit"
    namespace: str | None = None
    ca_file: Path | None = None
    """The one authority that may vouch for Vault's certificate; those of the system, else."""
    timeout: Patience = timedelta(seconds=5)
    """How long one request may take to connect, and then between two bytes."""
    patience: Patience = timedelta(seconds=8)
    """How long one use of a key may take in all, with what is tried again."""

    @model_validator(mode="after")
    def _has_what_its_login_needs(self) -> Self:
        needed = _VAULT_LOGINS[self.auth]
        for name in dict.fromkeys(field for fields in _VAULT_LOGINS.values() for field in fields):
            if (getattr(self, name) is not None) is not (name in needed):
                raise ValueError(f"auth = {self.auth!r} {'needs' if name in needed else 'has no use for'} {name}")
        if self.ca_file and not self.address.startswith("https://"):
            raise ValueError("ca_file has no use without https:// in the address")
        return self


_VAULT_LOGINS = {
    "approle": ("role_id_file", "secret_id_file"),
    "kubernetes": ("role", "jwt_file"),
    "jwt": ("role", "jwt_file"),
    "token": ("token_file",),
}


class KeySettings(_Section):
    """Data keys in memory, and how long keys live."""

    rotate_every: Annotated[Seconds, Field(gt=timedelta(0))] = timedelta(days=90)
    """How old the newest version of a KEK gets before its rotation is due."""
    shredder_role_id_file: Path | None = None
    """The login to Vault that may destroy KEKs, as the next one; none where this machine shreds nothing."""
    shredder_secret_id_file: Path | None = None
    shredder_elsewhere: bool = False
    """Whether another instance on this database has that login, so that shreddings may be asked for here as well."""
    shred_delay: Annotated[Seconds, Field(gt=timedelta(0), le=timedelta(days=90))] = timedelta(days=7)
    """How long an approved shredding can be undone."""
    reencryption_threads: int | None = Field(default=None, ge=1, le=256)
    """Objects that are encrypted anew at a time; one for each core, else, or 64 on a cluster."""
    reencryption_scheduler: str | None = Field(default=None, pattern=r"^(tcp|tls)://[^\s/]+$")
    """The Dask cluster whose workers encrypt anew, by its scheduler; this machine's cores, else. Its workers are handed
    links and object keys: use `tls://` wherever others could listen."""
    old_copies_for: Annotated[Seconds, Field(ge=timedelta(seconds=2))] = timedelta(days=1)
    """How long the old copy of an object that was encrypted anew stays, beyond the life of the longest link."""
    lifetime: Annotated[Seconds, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(minutes=5)
    """How long one stays: so long a gateway goes on without Vault, and with a key that was shredded elsewhere."""
    capacity: int = Field(default=1024, ge=1, le=65536)
    """How many stay; the one unused for longest gives way."""

    @model_validator(mode="after")
    def _has_a_whole_login(self) -> Self:
        if (self.shredder_role_id_file is None) is not (self.shredder_secret_id_file is None):
            raise ValueError("shredder_role_id_file and shredder_secret_id_file go together")
        return self


class StorageSettings(_Section):
    """One S3 bucket."""

    endpoint: str
    """What clients and the gateway both reach; links are signed for it."""
    bucket: str
    region: str = "us-east-1"
    access_key_id_file: Path
    secret_access_key_file: Path
    session_token_file: Path | None = None
    """With temporary credentials. All these files are read again when they change."""
    expires_at_file: Path | None = None
    """When they end, like 2030-01-31T12:00:00Z: no link that they sign lives longer."""
    iam_endpoint: str | None = None
    """Where access keys are replaced, if not at the endpoint itself; AWS's is https://iam.amazonaws.com."""
    timeout: Patience = timedelta(seconds=20)


class WitnessSettings(_Section):
    """Who is asked to cosign checkpoints (C2SP tlog-witness)."""

    key: str = Field(max_length=512)
    """The witness's verifier key, of type cosignature/v1: NAME+ID+KEY."""
    url: str = Field(pattern=r"^https?://[^\s?#]+$")
    """Its submission prefix, before `/add-checkpoint`."""
    timeout: Patience = timedelta(seconds=5)


class AuditSettings(_Section):
    """Where the journal is kept, and how it is signed and archived."""

    directory: Path
    instance: str = Field(default="gateway-1", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    origin: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.:/_-]{0,250}$")
    """The log's name in its checkpoints; the public URL without its scheme, `/audit/` and the instance."""
    checkpoint_interval: Annotated[Seconds, Field(gt=timedelta(0))] = timedelta(seconds=10)
    checkpoint_events: int = Field(default=100_000, ge=1)
    """There is a checkpoint after each interval in which something happened, and after so many events."""
    archive: bool = True
    """Whether checkpoints and tiles are archived to S3."""
    archive_bucket: str | None = None
    """One with Object Lock, best; the bucket of the objects, else."""
    archive_retention: Annotated[Seconds, Field(gt=timedelta(0))] = timedelta(days=365)
    """How long nothing in an archive with Object Lock can be deleted or replaced."""
    copies_bytes: int = Field(default=8 << 30, ge=0)
    """How much of the archived events stays here once it was asked for; what was used longest ago goes first."""
    witnesses: list[WitnessSettings] = Field(default=[], max_length=16)
    """Who cosigns checkpoints, so that this gateway alone cannot sign two journals."""


class _SinkSettings(_Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    """Names its cursor: a sink of another name begins with the journal's first event."""
    format: Literal["ocsf", "ecs", "cef"] = "ocsf"
    batch: int = Field(default=500, ge=1, le=50_000)
    timeout: Patience = timedelta(seconds=30)
    """How long a batch may take."""


class FileSinkSettings(_SinkSettings):
    """Events as lines of a file."""

    kind: Literal["file"]
    path: Path


class StdoutSinkSettings(_SinkSettings):
    """Events as lines of the standard output."""

    kind: Literal["stdout"]


class WebhookSinkSettings(_SinkSettings):
    """Events to an HTTPS receiver, signed."""

    kind: Literal["webhook"]
    url: str = Field(pattern=r"^https?://")
    secret_file: Path
    ca_file: Path | None = None


class HecSinkSettings(_SinkSettings):
    """Events to Splunk's HTTP Event Collector."""

    kind: Literal["splunk"]
    url: str = Field(pattern=r"^https?://")
    token_file: Path
    index: str | None = None
    ca_file: Path | None = None


class SyslogSinkSettings(_SinkSettings):
    """Events to a syslog receiver, over TLS."""

    kind: Literal["syslog"]
    host: str
    port: int = Field(default=6514, ge=1, le=65535)
    ca_file: Path | None = None
    closes_well: bool = True
    """Whether the receiver answers TLS's close_notify, by which we know that it has read everything."""


class ArchiveSinkSettings(_SinkSettings):
    """Events as Parquet files in the storage's bucket, below `events/`, a day a folder."""

    kind: Literal["archive"]
    format: Literal["ocsf"] = "ocsf"
    batch: int = Field(default=20_000, ge=1, le=50_000)
    linger: Seconds = timedelta(minutes=15)
    """How long an event may wait for a file to fill."""


SinkSettings = Annotated[
    FileSinkSettings
    | StdoutSinkSettings
    | WebhookSinkSettings
    | HecSinkSettings
    | SyslogSinkSettings
    | ArchiveSinkSettings,
    Field(discriminator="kind"),
]


class DetectionSettings(_Section):
    """What counts as suspicious. Every count is of one principal."""

    enabled: bool = True
    volume_factor: float = Field(default=10.0, gt=1)
    """How many times its usual reads of an hour are too many."""
    volume_least: int = Field(default=1000, ge=1)
    """Below this many reads an hour, nothing is too many."""
    refusals: int = Field(default=20, ge=2)
    refusals_within: Seconds = timedelta(minutes=5)
    restricted_reads: int = Field(default=500, ge=1)
    restricted_within: Seconds = timedelta(hours=1)
    change_days: list[Annotated[int, Field(ge=0, le=6)]] = [0, 1, 2, 3, 4]
    """The days on which policies and keys are changed; 0 is Monday."""
    change_from: time = time(7)
    change_until: time = time(19)
    """In UTC; before the one, or from the other on, a change is out of hours."""


class PolicySettings(_Section):
    """Where the policies are."""

    directory: Path


class LinkSettings(_Section):
    """How long links live."""

    default_ttl: Seconds = timedelta(minutes=5)
    min_ttl: Seconds = timedelta(seconds=1)
    max_ttl: Annotated[Seconds, Field(le=timedelta(hours=1))] = timedelta(hours=1)
    cors_origins: list[Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]] = []
    """Origins whose pages may follow stream links from a browser, as browsers write them: `https://host[:port]`."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(seconds=1) <= self.min_ttl <= self.default_ttl <= self.max_ttl:
            raise ValueError("1 s <= min_ttl <= default_ttl <= max_ttl does not hold")
        return self


class LeaseSettings(_Section):
    """How long leases live."""

    max_ttl: Annotated[Seconds, Field(gt=timedelta(0), le=timedelta(days=30))] = timedelta(days=7)


class LimitSettings(_Section):
    """How much the gateway takes on. What is more is told at once to come again, before anything gets slow for all."""

    principal_requests: int = Field(default=10_000, ge=0)
    """How many requests a person or job may make in a window; 0 sets no limit."""
    network_requests: int = Field(default=20_000, ge=0)
    """The same for an IPv4 address or IPv6 network. Behind a proxy that is not in `trusted_proxies`, all are one."""
    window: Patience = timedelta(seconds=10)
    requests: int = Field(default=512, ge=1)
    """How many requests are served at once."""
    streams: int = Field(default=512, ge=1)
    """How many downloads through the gateway are served at once."""
    drain_delay: Annotated[Seconds, Field(ge=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=3)
    """After SIGTERM, how long we say that we are about to stop and serve all that comes, for proxies to turn away."""
    drain_timeout: Patience = timedelta(seconds=30)
    """How long what is being served then may still take, downloads included."""


class MetricsSettings(_Section):
    """Metrics for Prometheus, on a port of their own: they are for whoever runs the gateway, not for who uses it."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=1, le=65535)
    """None: there are no metrics."""


class TokenSettings(_Section):
    """Gateway tokens."""

    lifetime: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(hours=1)
    dpop_nonces: bool = True
    """Whether proofs of possession must hold a nonce of ours, so that none can be made ahead (RFC 9449 8)."""


class TokenKind(StrEnum):
    """What a token of an issuer is for."""

    ACCESS_TOKEN = "access_token"  # noqa: S105  a kind's name
    """For an API like ours, by RFC 9068; good for calls, and to be exchanged."""
    ID_TOKEN = "id_token"  # noqa: S105  the same
    """Says who logged in (OpenID Connect Core 1.0, 2); good to be exchanged."""
    WORKLOAD = "workload"
    """Says which job or service runs: Kubernetes, GitHub Actions, GitLab CI, SPIFFE; good to be exchanged."""


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


class RotationSettings(_Section):
    """How every secret is replaced by `gateway rotate-secrets`, and what its instances must know for it."""

    vault: VaultSettings | None = None
    """Its own login to Vault, which may do more than the gateway's; none where this machine replaces no secret."""
    gateway_role: str = "gateway"
    """The AppRole whose secret id is the gateway's login."""
    shredder_role: str = "gateway-shredder"
    """The AppRole whose secret id is the shredder's login, where there is one."""
    own_role: str = "gateway-rotation"
    """The AppRole whose secret id is its own."""
    kv_mount: str = "gateway"
    """A KV engine of version 2 that nobody else can read: its progress, and what is made and not yet published."""
    publish: Literal["files", "vault"] = "files"
    """Where new secrets go: into the files that these settings name, or below `published/` of that engine, from where
    something else brings them into files on each machine (Vault Agent, External Secrets)."""
    every: Annotated[Seconds, Field(gt=timedelta(0))] = timedelta(days=90)
    """How old a secret gets before it is due."""
    periods: dict[Secret, Annotated[Seconds, Field(gt=timedelta(0))]] = {}
    """The same, for one of them."""
    settle: Patience = timedelta(seconds=10)
    """How long a new signing key is known before an instance signs with it, so that all others know it then."""
    take_up: Patience = timedelta(minutes=10)
    """How long the instances may take to hold a new secret."""
    patience: Patience = timedelta(minutes=2)
    """How long a Vault that is away or sealed is asked again."""
    lease: Patience = timedelta(minutes=1)
    """How long a run that is not heard of any more keeps another one off."""
    probes: list[Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?$")]] = []
    """Addresses of instances that are asked whether an old key still opens anything; else the public URL."""


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
    tokens: list[TokenKind] = Field(default=[], validate_default=True)
    """What we take from it; ID tokens and access tokens of users, workload tokens and access tokens of workloads."""
    when: dict[str, str | list[str]] = {}
    """Claims that a token must have for these settings to be about it: a text, or one of a list; `*` is any text.
    Of several settings for one issuer, the first that names one of the token's audiences and fits it is the one."""
    access_token_claims: dict[str, str] = {}
    """Claims that tell an access token where the issuer does not write `typ: at+jwt`, like Keycloak's `typ: Bearer`."""
    max_token_age: Annotated[timedelta, Field(gt=timedelta(0))] | None = None
    """How old a token may be by its `iat`, even if it is good for longer."""
    max_login_age: Annotated[timedelta, Field(gt=timedelta(0))] | None = None
    """How long ago the person may have logged in, by `auth_time`."""
    required_acr: list[str] = []
    """The login must be of one of these classes."""
    required_amr: list[str] = []
    """The login must have used each of these methods."""
    dpop: Literal["optional", "required"] = "optional"
    """Whether tokens must be bound to a key of the client (RFC 9449)."""

    @field_validator("tokens")
    @classmethod
    def _usual_tokens(cls, tokens: list[TokenKind], info: ValidationInfo) -> list[TokenKind]:
        workload = info.data.get("kind") is PrincipalKind.WORKLOAD
        return tokens or [TokenKind.WORKLOAD if workload else TokenKind.ID_TOKEN, TokenKind.ACCESS_TOKEN]


class Settings(BaseSettings):
    """Everything that `gateway serve` needs."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerSettings = ServerSettings()
    state: StateSettings = StateSettings()
    redis: RedisSettings | None = None
    vault: VaultSettings
    keys: KeySettings = KeySettings()
    storage: StorageSettings
    audit: AuditSettings
    sinks: list[SinkSettings] = []
    detection: DetectionSettings = DetectionSettings()
    policy: PolicySettings
    links: LinkSettings = LinkSettings()
    leases: LeaseSettings = LeaseSettings()
    tokens: TokenSettings = TokenSettings()
    limits: LimitSettings = LimitSettings()
    metrics: MetricsSettings = MetricsSettings()
    rotation: RotationSettings = RotationSettings()
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
    except UnicodeDecodeError as error:
        raise InvalidConfiguration(f"{file} is not valid TOML: byte {error.start} is not UTF-8.") from error
    except SettingsError as error:
        # Its message names the field and not the value, which may be from the environment.
        raise InvalidConfiguration(f"A GATEWAY_* variable cannot be read: {error}.") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise InvalidConfiguration(f"{file}: {faults}.", hint="README.md lists the settings.") from error
    except OSError as error:
        raise InvalidConfiguration(f"Cannot read {file}: {error.strerror}.") from error
