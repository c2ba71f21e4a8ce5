"""What a stronger login must have (RFC 9470): as the gateway asks for it, and as a person types it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from urllib.request import parse_http_list, parse_keqv_list

import httpx

from gateway.errors import StepUpRequired

ERROR = "insufficient_user_authentication"
_MAX_HEADER_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Demand:
    """What the next login must have; an empty one demands nothing."""

    acr_values: tuple[str, ...] = ()
    """Any of these, in the order of preference."""
    amr_values: tuple[str, ...] = ()
    """Any of these. OpenID Connect has no words to ask a provider for them: the person logs in anew."""
    max_age: timedelta | None = None
    """How long ago it may have been."""
    reason: str = ""
    """Why, in the gateway's words."""

    @classmethod
    def of(cls, answer: httpx.Response) -> Self | None:
        """Return what a 401 demands, or None where a stronger login would not help.

        A challenge that is not as RFC 9470 3 has it is none.
        """
        text = answer.headers.get("www-authenticate", "")
        if answer.status_code != httpx.codes.UNAUTHORIZED or ERROR not in text[:_MAX_HEADER_CHARS]:
            return None
        try:
            # RFC 9110 11.6.1: a scheme, a space, and the parameters.
            given = parse_keqv_list(parse_http_list(text[:_MAX_HEADER_CHARS].partition(" ")[2]))
            age = timedelta(seconds=int(given["max_age"])) if "max_age" in given else None
        except (ValueError, OverflowError):
            return None
        if given.get("error") != ERROR:
            return None
        acr, amr = (tuple(given.get(name, "").split()) for name in ("acr_values", "amr_values"))
        return cls(acr, amr, age, given.get("error_description", ""))

    @classmethod
    def in_error(cls, error: StepUpRequired) -> Self:
        """Return what a refusal demands."""
        return cls(error.acr_values, error.amr_values, error.max_age, error.message)

    def parameters(self) -> dict[str, str]:
        """Return what to ask the provider for (OpenID Connect Core 1.0, 3.1.2.1).

        >>> Demand(acr_values=("mfa",), max_age=timedelta(minutes=5)).parameters()
        {'acr_values': 'mfa', 'max_age': '300'}
        """
        return dict(self._parameters())

    def command(self, *options: str) -> str:
        """Return the command that logs in so, with these options besides.

        >>> Demand(acr_values=("mfa",)).command("--profile", "staging")
        'gateway login --profile staging --acr-values mfa'
        """
        asked = {f"--{name.replace('_', '-')}": value for name, value in self._parameters() if name != "prompt"}
        # The gateway's words end up in somebody's shell.
        return shlex.join(["gateway", "login", *options, *(word for pair in asked.items() for word in pair)])

    def refusal(self, hint: str) -> StepUpRequired:
        """Return the error for those who cannot log in again by themselves."""
        return StepUpRequired(
            self.reason or "A stronger login is needed.",
            hint=hint,
            acr_values=self.acr_values,
            amr_values=self.amr_values,
            max_age=self.max_age,
        )

    def _parameters(self) -> Iterator[tuple[str, str]]:
        if self.acr_values:
            yield "acr_values", " ".join(self.acr_values)
        if self.max_age is not None:
            yield "max_age", str(int(self.max_age.total_seconds()))
        if self.amr_values:
            yield "prompt", "login"
