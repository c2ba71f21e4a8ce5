"""The whole product on its real parts, with ada logged in, and other servers beside it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread

from gateway import settings
from gateway.client import Gateway, StaticToken
from gateway.client.login import login_in_browser
from gateway.devstack import browser, programs
from gateway.devstack.development import Development, developing
from gateway.devstack.network import free_ports
from gateway.devstack.process import Process, answers
from gateway.settings import StorageSettings

DISK = Path(__file__).parents[3] / ".state"
"""On the checkout's disk: a temporary folder may be in memory, where the journal's sync costs nothing."""
RIG = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Stage:
    """A running gateway, and ada's token for it."""

    development: Development
    token: str
    folder: Path

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self.development.url

    @property
    def storage(self) -> StorageSettings:
        """Where its objects are."""
        return settings.load(self.development.configuration_file).storage

    def gateway(self) -> Gateway:
        """Return the SDK, as ada."""
        return Gateway(self.url, token_source=StaticToken(self.token))


@contextmanager
def on_stage() -> Iterator[Stage]:
    """Start everything in a temporary folder, and remove all of it at the end."""
    DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DISK, prefix="bench-") as name:
        folder = Path(name)
        with developing(folder / "state", port=0, overlay=None) as development:
            yield Stage(development, _log_in(development), folder)


@contextmanager
def serving(folder: Path, script: str, *arguments: str | Path) -> Iterator[str]:
    """Run one of the servers beside this module, and yield its URL."""
    (port,) = free_ports(1)
    command = [programs.python(), RIG / script, str(port), *arguments]
    process = Process.start(script, command, log=folder / f"{script}.log", environment=None, folder=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        process.wait_ready(lambda: answers(f"{url}/openapi.json"), within=timedelta(seconds=30))
        yield url
    finally:
        process.stop()


def _log_in(development: Development) -> str:
    (password,) = (user.password_file for user in development.stack.description.users if user.name == "ada")

    def visit(address: str) -> None:
        Thread(target=browser.log_in, args=[address], kwargs={"name": "ada", "password_file": password}).start()

    return login_in_browser(development.url, show_url=visit).token
