"""`gateway login`, `logout`, `profiles` and `whoami`."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Url, write_json, write_rows
from gateway.client.answers import Me
from gateway.client.demand import Demand
from gateway.client.device import DeviceCode
from gateway.client.dpop import ProofKey
from gateway.client.environment import Environment
from gateway.client.gateway import Gateway
from gateway.client.login import DEFAULT_TIMEOUT, Wishes, login_in_browser, login_on_device
from gateway.client.person import Terminal
from gateway.client.platform import ReadToken, find_platform, from_file
from gateway.client.profile import DEFAULT_PROFILE, Login, ProfileStore, default_home
from gateway.client.tokens import StaticToken
from gateway.client.workload import login_workload
from gateway.clock import utc_now
from gateway.errors import InvalidConfiguration


def login(
    url: Annotated[
        str | None, typer.Argument(help="The gateway; else GATEWAY_URL, else the profile's.", show_default=False)
    ] = None,
    issuer: Annotated[
        str | None, typer.Option("--issuer", metavar="ALIAS", help="Where to log in, if there is a choice.")
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Where to keep it; else GATEWAY_PROFILE.")] = None,
    device: Annotated[
        bool, typer.Option("--device", help="Show a code to enter on any device with a browser.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address to log in at rather than open it.")
    ] = False,
    dpop: Annotated[
        bool,
        typer.Option("--dpop", envvar="GATEWAY_DPOP", help="Bind the login to a key that never leaves this machine."),
    ] = False,
    acr_values: Annotated[
        str | None, typer.Option("--acr-values", metavar="ACR", help="How strong the login must be; best first.")
    ] = None,
    max_age: Annotated[
        int | None, typer.Option("--max-age", min=0, help="Seconds since you last proved who you are, at most.")
    ] = None,
    timeout: Annotated[int, typer.Option("--timeout", min=1, help="Seconds to wait for you.")] = int(
        DEFAULT_TIMEOUT.total_seconds()
    ),
    workload: Annotated[
        bool, typer.Option("--workload", help="Log a job in with the token that its platform gives it.")
    ] = False,
    workload_token_file: Annotated[
        Path | None,
        typer.Option(envvar="GATEWAY_WORKLOAD_TOKEN_FILE", help="Log a job in with the token in this file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Log in through your organisation's provider, in the browser.

    The login is renewed by itself where the provider allows it, and else ends within the hour.

    With --json the address to log in at, or the code, is printed as a first line, so that a program can act on it.

    Example: gateway login https://gateway.example.org
    """
    store, chosen = ProfileStore(default_home()), _profile(profile)
    where = _url(store, chosen, url)
    if workload or workload_token_file:
        found = login_workload(where, _platform(where, workload_token_file), dpop=dpop)
    else:
        desk = _Desk(as_json=as_json, no_browser=no_browser)
        wishes = Wishes(issuer, _demand(acr_values, max_age), dpop=dpop, timeout=timedelta(seconds=timeout))
        found = (
            login_on_device(where, show_code=desk.tell, wishes=wishes)
            if device
            else login_in_browser(where, show_url=desk.open, wishes=wishes)
        )
    me = _whoami(found)
    store.save(chosen, found)
    _report(found, me, chosen, as_json=as_json)


def logout(profile: Profile = None, as_json: Json = False) -> None:
    """Forget the login on this machine. Its token ends by itself, within the hour.

    Example: gateway logout --profile staging
    """
    chosen = _profile(profile)
    removed = ProfileStore(default_home()).remove(chosen)
    if as_json:
        write_json({"profile": chosen, "removed": removed})
    else:
        typer.echo(f"Logged out (profile {chosen})." if removed else f"Nobody was logged in (profile {chosen}).")


def profiles(as_json: Json = False) -> None:
    """List the logins on this machine; GATEWAY_PROFILE or --profile chooses one.

    Example: gateway profiles
    """
    store, now, chosen = ProfileStore(default_home()), utc_now(), _profile(None)
    kept = [(name, login) for name in store if (login := store.find(name))]
    if as_json:
        write_json(
            [
                _summary(name, login) | {"chosen": name == chosen, "ended": now >= login.expires_at}
                for name, login in kept
            ]
        )
        return
    rows = [
        (
            "*" if name == chosen else "",
            name,
            login.url,
            login.issuer,
            "ended" if now >= login.expires_at else f"until {login.expires_at.astimezone():%H:%M}",
        )
        for name, login in kept
    ]
    write_rows(("", "PROFILE", "GATEWAY", "ISSUER", "LOGIN"), rows)


def whoami(url: Url = None, profile: Profile = None, as_json: Json = False) -> None:
    """Show who the gateway takes you for.

    Example: gateway whoami --json
    """
    with Gateway(url, profile=profile) as gateway:
        me = gateway.whoami()
        if as_json:
            write_json(me)
        else:
            typer.echo(f"{_describe(me)} at {gateway.url}")


class _Desk(Terminal):
    """Reaches the person as the options have it."""

    def __init__(self, *, as_json: bool, no_browser: bool) -> None:
        self._as_json = as_json
        self._no_browser = no_browser

    def open(self, url: str) -> None:
        if self._as_json:
            write_json({"authorize_url": url})
        elif self._no_browser:
            typer.echo(url)
        else:
            super().open(url)
        sys.stdout.flush()  # whoever reads it acts as the browser, while we wait

    def tell(self, code: DeviceCode) -> None:
        if not self._as_json:
            super().tell(code)
            return
        shown = {
            "user_code": code.user_code,
            "verification_uri": code.verification_uri,
            "verification_uri_complete": code.verification_uri_complete,
            "expires_in": int(code.expires_in.total_seconds()),
        }
        write_json(shown)
        sys.stdout.flush()


def _profile(profile: str | None) -> str:
    return profile or Environment.read().profile or DEFAULT_PROFILE


def _url(store: ProfileStore, profile: str, url: str | None) -> str:
    if found := url or Environment.read().url:
        return found
    earlier = store.find(profile)
    if earlier is None:
        raise InvalidConfiguration("Which gateway?", hint="Give its URL: gateway login URL, or GATEWAY_URL.")
    return earlier.url


def _platform(url: str, file: Path | None) -> ReadToken:
    read = from_file(file) if file else find_platform(Environment.read(), url=url)
    if read is None:
        raise InvalidConfiguration(
            "No platform gives this job a token.",
            hint="Set GATEWAY_WORKLOAD_TOKEN_FILE or GATEWAY_WORKLOAD_TOKEN; README.md has each platform's way.",
        )
    return read


def _demand(acr_values: str | None, max_age: int | None) -> Demand:
    age = None if max_age is None else timedelta(seconds=max_age)
    return Demand(acr_values=tuple((acr_values or "").split()), max_age=age)


def _whoami(login: Login) -> Me:
    key = ProofKey.load(login.proof_key) if login.proof_key else None
    with Gateway(login.url, token_source=StaticToken(login.token, key=key)) as gateway:
        return gateway.whoami()


def _report(found: Login, me: Me, profile: str, *, as_json: bool) -> None:
    if as_json:
        write_json(_summary(profile, found) | {"issuer": me.issuer, "name": me.name, "groups": me.groups})
    else:
        until = found.expires_at.astimezone()
        typer.echo(f"Logged in at {found.url} as {_describe(me)}, until {until:%H:%M}.")


def _summary(profile: str, login: Login) -> dict[str, object]:
    bound = bool(login.proof_key)
    return {
        "url": login.url,
        "profile": profile,
        "issuer": login.issuer,
        "bound": bound,
        "expires_at": login.expires_at,
    }


def _describe(me: Me) -> str:
    groups = f" ({', '.join(me.groups)})" if me.groups else ""
    return f"{me.name}{groups} from {me.issuer}"
