"""`gateway login`, `logout` and `whoami`."""

import sys
import webbrowser
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Url, write_json
from gateway.client.answers import Me
from gateway.client.environment import Environment
from gateway.client.gateway import Gateway
from gateway.client.login import DEFAULT_TIMEOUT, ShowUrl, login_in_browser
from gateway.client.profile import DEFAULT_PROFILE, Login, ProfileStore, default_home
from gateway.client.tokens import StaticToken
from gateway.client.workload import login_workload
from gateway.errors import InvalidConfiguration


def login(
    url: Annotated[
        str | None, typer.Argument(help="The gateway; else GATEWAY_URL, else the profile's.", show_default=False)
    ] = None,
    issuer: Annotated[
        str | None, typer.Option("--issuer", metavar="ALIAS", help="Where to log in, if there is a choice.")
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Where to keep it; else GATEWAY_PROFILE.")] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address to log in at rather than open it.")
    ] = False,
    timeout: Annotated[int, typer.Option("--timeout", min=1, help="Seconds to wait for the browser.")] = int(
        DEFAULT_TIMEOUT.total_seconds()
    ),
    workload_token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="GATEWAY_WORKLOAD_TOKEN_FILE", help="Log a job in with the token in this file, without a browser."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Log in through your organisation's provider, in the browser. The login lasts for an hour at most.

    With --json the address to log in at is printed as a first line, so that a program can open it.

    Example: gateway login https://gateway.example.org
    """
    store, chosen = ProfileStore(default_home()), _profile(profile)
    where = _url(store, chosen, url)
    if workload_token_file:
        found = login_workload(where, workload_token_file)
    else:
        show = _show_url(as_json=as_json, no_browser=no_browser)
        found = login_in_browser(where, show_url=show, issuer=issuer, timeout=timedelta(seconds=timeout))
    with Gateway(found.url, token_source=StaticToken(found.token)) as gateway:
        me = gateway.whoami()
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


def _profile(profile: str | None) -> str:
    return profile or Environment.read().profile or DEFAULT_PROFILE


def _url(store: ProfileStore, profile: str, url: str | None) -> str:
    if found := url or Environment.read().url:
        return found
    earlier = store.find(profile)
    if earlier is None:
        raise InvalidConfiguration("Which gateway?", hint="Give its URL: gateway login URL, or GATEWAY_URL.")
    return earlier.url


def _show_url(*, as_json: bool, no_browser: bool) -> ShowUrl:
    def show(url: str) -> None:
        if as_json:
            write_json({"authorize_url": url})
        elif no_browser:
            typer.echo(url)
        else:
            typer.echo(f"Opening your browser. If nothing opens, go to:\n{url}", err=True)
            webbrowser.open(url)
        sys.stdout.flush()  # whoever reads it acts as the browser, while we wait

    return show


def _report(found: Login, me: Me, profile: str, *, as_json: bool) -> None:
    if as_json:
        who = {"issuer": me.issuer, "name": me.name, "groups": me.groups}
        write_json({"url": found.url, "profile": profile, **who, "expires_at": found.expires_at})
    else:
        until = found.expires_at.astimezone()
        typer.echo(f"Logged in at {found.url} as {_describe(me)}, until {until:%H:%M}.")


def _describe(me: Me) -> str:
    groups = f" ({', '.join(me.groups)})" if me.groups else ""
    return f"{me.name}{groups} from {me.issuer}"
