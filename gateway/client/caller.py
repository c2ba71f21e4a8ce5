"""Which gateway, and as whom: from arguments, else the environment, else the login that `gateway login` keeps."""

from gateway.client.environment import Environment
from gateway.client.platform import find_platform
from gateway.client.profile import DEFAULT_PROFILE, Login, ProfileStore, default_home
from gateway.client.tokens import LogInAgain, StaticToken, StoredToken, TokenSource
from gateway.client.workload import workload_source
from gateway.errors import InvalidConfiguration, Unauthenticated


def find_caller(
    url: str | None,
    profile: str | None,
    token_source: TokenSource | None,
    environment: Environment,
    *,
    log_in_again: LogInAgain | None = None,
) -> tuple[str, TokenSource]:
    """Return the gateway's URL and where tokens for it come from. Arguments go before the environment.

    A job without a login of its own is who its platform says it is.

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
    chosen, store = profile or environment.profile or DEFAULT_PROFILE, ProfileStore(default_home())
    login = store.find(chosen)
    if login is not None:
        return _at(wanted, login, chosen), StoredToken(store, chosen, renew=_renew, log_in_again=log_in_again)
    if profile is None and (job := _as_job(wanted, environment)):
        return wanted, job
    raise Unauthenticated(f"Nobody is logged in (profile {chosen}).", hint="Log in: gateway login URL")


def _from_environment(wanted: str, environment: Environment) -> TokenSource | None:
    """Return what somebody has set there for us."""
    if environment.token:
        return StaticToken(environment.token)
    told = environment.workload_token_file or environment.workload_token
    return _as_job(wanted, environment) if told else None


def _as_job(wanted: str, environment: Environment) -> TokenSource | None:
    read = find_platform(environment, url=wanted) if wanted else None
    return workload_source(wanted, read, dpop=environment.dpop) if read else None


def _renew(login: Login) -> Login:
    # Few commands outlive a token: what renews it is loaded when one does.
    from gateway.client.renewal import renew  # noqa: PLC0415

    return renew(login)


def _at(wanted: str, login: Login, profile: str) -> str:
    url = login.url.rstrip("/")
    if wanted and wanted != url:
        # A token goes to the gateway that issued it, and to nobody else.
        raise InvalidConfiguration(
            f"Profile {profile} is logged in at {login.url}, not at {wanted}.",
            hint=f"gateway login {wanted} --profile NAME",
        )
    return url
