"""Replaces our own passwords at PostgreSQL and Redis. Neither server is sent one that it could log, but a verifier.

Both are asked by whoever has the present password; each may change its own.
"""

import hashlib
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from sqlalchemy import make_url

from gateway.errors import StateUnavailable

_REFUSED = "password authentication failed"
"""PostgreSQL's words for 28P01, invalid_password; libpq gives no SQLSTATE of a connection that was refused."""
_CONNECT_SECONDS = 5


async def opens_postgresql(url: str, password: str) -> bool:
    """Tell whether PostgreSQL takes the password. Raises `StateUnavailable` if it cannot be asked."""
    return await to_thread.run_sync(_opens_postgresql, url, password)


async def change_postgresql(url: str, password: str, new: str) -> None:
    """Change the user's password from the one to the other, at once. Raises `StateUnavailable`."""
    await to_thread.run_sync(_change_postgresql, url, password, new)


async def opens_redis(url: str, password: str) -> bool:
    """Tell whether Redis takes the password. Raises `StateUnavailable` if it cannot be asked."""
    from redis.exceptions import AuthenticationError, RedisError  # noqa: PLC0415 -- an extra

    client = _redis(url, password)
    try:
        await client.ping()
    except AuthenticationError:
        return False
    except (RedisError, OSError) as error:
        raise StateUnavailable(f"Redis cannot be asked: {type(error).__name__}.") from error
    finally:
        await client.aclose()
    return True


async def change_redis(url: str, password: str, *, add: str = "", remove: str = "") -> None:
    """Let the user have one more password, or one less (Redis, `ACL SETUSER`). Raises `StateUnavailable`."""
    from redis.exceptions import RedisError, ResponseError  # noqa: PLC0415 -- the same

    client = _redis(url, password)
    rules = [f"#{_digest(add)}"] * bool(add) + [f"!{_digest(remove)}"] * bool(remove)
    try:
        await client.execute_command("ACL", "SETUSER", urlsplit(url).username or "default", *rules)
        try:
            # So that a restart does not bring the old one back: into its list of users, or its configuration.
            await client.execute_command("ACL", "SAVE")
        except ResponseError:
            await client.execute_command("CONFIG", "REWRITE")
    except (RedisError, OSError) as error:
        raise StateUnavailable(
            f"Redis does not let the user change its password: {type(error).__name__}.",
            hint="Allow it ACL SETUSER, and ACL SAVE or CONFIG REWRITE.",
        ) from error
    finally:
        await client.aclose()


def _opens_postgresql(url: str, password: str) -> bool:
    import psycopg  # noqa: PLC0415 -- an extra

    try:
        _connect(url, password).close()
    except psycopg.OperationalError as error:
        if _REFUSED in str(error):
            return False
        raise _unavailable(error) from error
    return True


def _change_postgresql(url: str, password: str, new: str) -> None:
    import psycopg  # noqa: PLC0415 -- the same

    try:
        with _connect(url, password) as connection:
            user = connection.info.user.encode()
            verifier = connection.pgconn.encrypt_password(new.encode(), user, b"scram-sha-256").decode()
            change = psycopg.sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(psycopg.sql.Literal(verifier))
            connection.execute(change)
    except psycopg.Error as error:
        raise _unavailable(error) from error


def _connect(url: str, password: str) -> Any:  # noqa: ANN401 -- psycopg's, which is an extra
    import psycopg  # noqa: PLC0415 -- the same

    parts = make_url(url)
    options = {name: value for name, value in parts.query.items() if isinstance(value, str)}
    return psycopg.connect(
        host=parts.host,
        port=parts.port,
        user=parts.username,
        dbname=parts.database,
        password=password,
        connect_timeout=_CONNECT_SECONDS,
        **options,  # type: ignore[arg-type]  # libpq's own, as texts
    )


def _unavailable(error: Exception) -> StateUnavailable:
    return StateUnavailable(f"The database cannot be used: {str(error).strip().partition(chr(10))[0]}.")


def _redis(url: str, password: str) -> Any:  # noqa: ANN401 -- redis's, which is an extra
    from redis.asyncio import Redis  # noqa: PLC0415 -- the same

    parts = urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Redis.from_url(plain, username=parts.username, password=password, socket_connect_timeout=_CONNECT_SECONDS)


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
