"""Redis, for what instances tell each other and may lose. No request ever waits for it.

Only ever believed when it says no: what it says can make an instance look again, refuse, or slow a caller down. So its
absence, an empty memory or a hostile message opens nothing and stops nothing; the database is asked as before.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.errors import InvalidConfiguration, StateUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

TIMEOUT = timedelta(seconds=2)
"""How long Redis may take to answer before it counts as away."""


def connect(url: str, *, password_file: Path | None = None) -> "Redis":
    """Return a client, which connects when it is first used.

    Args:
        url: `redis://[USER@]HOST[:PORT][/NUMBER]`, or `rediss://…?ssl_ca_certs=FILE` for TLS; holds no password.
        password_file: Read at each connection: it may be replaced while we run.

    Raises:
        InvalidConfiguration: the URL holds a password, or the extra is not installed.
    """
    if urlsplit(url).password is not None:
        raise InvalidConfiguration(
            "The setting redis.url holds a password.", hint="Write it into a file that redis.password_file names."
        )
    try:
        from redis.asyncio import Redis  # noqa: PLC0415  an extra: gateways of one instance need none
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.credentials import CredentialProvider  # noqa: PLC0415
        from redis.exceptions import AuthenticationError  # noqa: PLC0415
    except ImportError as error:
        raise InvalidConfiguration(
            "The setting redis.url needs Redis's driver.", hint='pip install "ml-data-gateway[server,redis]"'
        ) from error

    class NoPassword(StateUnavailable, AuthenticationError):
        """The driver closes the connection for errors of its own alone."""

    class FromFile(CredentialProvider):
        def get_credentials(self) -> tuple[str] | tuple[str, str]:
            try:
                password = "" if password_file is None else password_file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                hint = "Name it in redis.password_file."
                raise NoPassword(f"Redis's password cannot be read from {password_file}.", hint=hint) from error
            user = urlsplit(url).username
            return (user, password) if user else (password,)

        async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
            return self.get_credentials()

    parts = urlsplit(url)
    return Redis.from_url(
        parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
        credential_provider=FromFile() if password_file else None,
        socket_timeout=TIMEOUT.total_seconds(),
        socket_connect_timeout=TIMEOUT.total_seconds(),
        retry=Retry(NoBackoff(), 0),  # who asks knows when to come again
    )


async def check(client: "Redis") -> None:
    """Raise `StateUnavailable` unless Redis answers, and lets us tell and hear."""
    try:
        await client.publish("gateway:doctor", b"")
    except Exception as error:
        said = error.message if isinstance(error, StateUnavailable) else str(error).partition("\n")[0]
        raise StateUnavailable(
            f"Redis cannot be used: {said}.",
            hint="The gateway serves without it; instances learn of each other a second later.",
        ) from error
