"""Reaches the person who is logged in, when the gateway asks for a stronger login (RFC 9470)."""

import sys
import webbrowser
from typing import TYPE_CHECKING, Protocol, TextIO

from gateway.client.demand import Demand
from gateway.client.profile import Login
from gateway.client.tokens import LogInAgain
from gateway.client.workload import ALIAS
from gateway.errors import LoginFailed

if TYPE_CHECKING:
    from gateway.client.device import DeviceCode


class Person(Protocol):
    """How to reach the person."""

    def open(self, url: str) -> None:
        """Bring them to this address, in a browser on this machine."""

    def tell(self, code: "DeviceCode") -> None:
        """Tell them which code to enter, and where."""


class Terminal:
    """The person at this terminal. What they must do goes to stderr, the only thing that the client writes there."""

    def open(self, url: str) -> None:
        """Open their browser."""
        _write(f"Opening your browser. If nothing opens, go to:\n{url}\n")
        webbrowser.open(url)

    def tell(self, code: "DeviceCode") -> None:
        """Show the code, and where to enter it."""
        _write(f"On any device, go to\n\n    {code.verification_uri}\n\nand enter the code\n\n    {code.user_code}\n\n")
        if code.verification_uri_complete:
            _write(f"or go straight to {code.verification_uri_complete}\n")


def find_person() -> Person | None:
    """Return the person at the terminal; None where nobody would read what we write."""
    return Terminal() if _is_terminal(sys.stdin) and _is_terminal(sys.stderr) else None


def asking(person: Person) -> LogInAgain:
    """Return how to ask this person for a stronger login: at the same issuer, in the same way as before."""

    def again(login: Login, demand: Demand) -> Login:
        # Few commands ever log in: the flows are loaded when one does.
        from gateway.client.login import Wishes, login_in_browser, login_on_device  # noqa: PLC0415

        if login.issuer == ALIAS:
            raise demand.refusal("This login is a job's: no person can make it stronger.")
        wishes = Wishes(issuer=login.issuer, demand=demand, dpop=bool(login.proof_key))
        if login.device:
            stronger = login_on_device(login.url, show_code=person.tell, wishes=wishes)
        else:
            stronger = login_in_browser(login.url, show_url=person.open, wishes=wishes)
        if stronger.subject != login.subject:
            raise LoginFailed("Somebody else logged in than before.", hint="Log in as yourself: gateway login")
        return stronger

    return again


def _is_terminal(stream: TextIO | None) -> bool:
    # A service may have closed its standard streams, or have none.
    return stream is not None and not stream.closed and stream.isatty()


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
