"""Which gateway, and as whom: from arguments, else the environment, else the login that `gateway login` keeps."""

from pathlib import Path

from gateway.client.environment import Environment
from gateway.client.profile import DEFAULT_PROFILE, ProfileStore, default_home
from gateway.client.tokens import StaticToken, StoredToken, TokenSource
from gateway.client.workload import workload_source
from gateway.errors import InvalidConfiguration, Unauthenticated


def find_caller(
    url: str | None, profile: str | None, token_source: TokenSource | None, environment: Environment
) -> tuple[str, TokenSource]:
    """Return the gateway's URL and where tokens for it come from. Arguments go before the environment.

    Raises:
        InvalidConfiguration: no URL is given; or a login of one gateway would be shown to another.
        Unauthenticated: nobody is logged in.
    """
    wanted = (url or environment.url or "").rstrip("/")
    if token_source is None and profile is None:
        token_source = _from_environment(wanted, environment)
    if token_source is not None:
        if not wanted:
            raise InvalidConfiguration("Which gateway?", hint="Give its URL: --url or GATEWAY_URL.")
        return wanted, token_source
    return _stored(wanted, profile or environment.profile or DEFAULT_PROFILE)


def _from_environment(wanted: str, environment: Environment) -> TokenSource | None:
    if environment.token:
        return StaticToken(environment.token)
    if environment.workload_token_file and wanted:
        return workload_source(wanted, Path(environment.workload_token_file))
    return None


def _stored(wanted: str, profile: str) -> tuple[str, TokenSource]:
    store = ProfileStore(default_home())
    login = store.find(profile)
    if login is None:
        raise Unauthenticated(f"Nobody is logged in (profile {profile}).", hint="Log in: gateway login URL")
    if wanted and wanted != login.url.rstrip("/"):
        # A token goes to the gateway that issued it, and to nobody else.
        raise InvalidConfiguration(
            f"Profile {profile} is logged in at {login.url}, not at {wanted}.",
            hint=f"gateway login {wanted} --profile NAME",
        )
    return login.url.rstrip("/"), StoredToken(store, profile)
