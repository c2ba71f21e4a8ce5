"""Which stronger login would turn a denial into access (RFC 9470).

Conditions on how somebody logged in can be met by logging in again. On a denial, each login that the policies ask
for is tried in thought; the first that would be allowed is the challenge. So a challenge is never a false promise.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product

from gateway.policy import values
from gateway.policy.conditions import Condition
from gateway.policy.document import Document, Effect
from gateway.policy.query import Query
from gateway.policy.template import fold

ACR = "gateway:acr"
AMR = "gateway:amr"
AUTH_AGE = "gateway:authage"

MAX_TRIES = 64
"""Logins tried in thought; policies ask for a handful."""

_SLACK = {
    (Effect.ALLOW, "NumericLessThan"): 1,
    (Effect.ALLOW, "NumericLessThanEquals"): 0,
    (Effect.DENY, "NumericGreaterThanEquals"): 1,
    (Effect.DENY, "NumericGreaterThan"): 0,
}
"""By how many seconds an age must stay below the value that a statement names."""


@dataclass(frozen=True, slots=True)
class Login:
    """How somebody could log in again."""

    max_age: int | None = None
    acr: str | None = None
    amr: str | None = None

    def __str__(self) -> str:
        parts = {"acr": self.acr, "amr": self.amr, "max_age": self.max_age}
        return ";".join(f"{name}={value}" for name, value in parts.items() if value is not None)

    def after(self, query: Query) -> Query:
        """Return the request as it would be asked after this login."""
        facts: dict[str, str | tuple[str, ...]] = {}
        if self.max_age is not None:
            facts[AUTH_AGE] = str(self.max_age)
        if self.acr is not None:
            facts[ACR] = self.acr
        if self.amr is not None:
            facts[AMR] = (*query.values(AMR), self.amr)
        kept = {key: value for key, value in query.context.items() if fold(key) not in facts}
        return Query(query.principals, query.action, query.resource, kept | facts)


def logins_of(documents: Iterable[Document]) -> tuple[Login, ...]:
    """Return the logins that the conditions of the documents ask for, those with one demand before those with two."""
    ages: set[int] = set()
    acrs: set[str] = set()
    amrs: set[str] = set()
    for effect, condition in _conditions(documents):
        match condition.folded:
            case "gateway:authage":
                ages.update(_ages(effect, condition))
            case "gateway:acr":
                acrs.update(_words(condition))
            case "gateway:amr":
                amrs.update(_words(condition))
    every = product((None, *sorted(ages, reverse=True)), (None, *sorted(acrs)), (None, *sorted(amrs)))
    logins = sorted((Login(*demands) for demands in every), key=_demands)
    return tuple(islice(logins, 1, MAX_TRIES))  # the first demands nothing


def _demands(login: Login) -> int:
    return sum(demand is not None for demand in (login.max_age, login.acr, login.amr))


def _conditions(documents: Iterable[Document]) -> Iterator[tuple[Effect, Condition]]:
    for document in documents:
        for statement in document.statements:
            for condition in statement.conditions:
                yield statement.effect, condition


def _ages(effect: Effect, condition: Condition) -> Iterator[int]:
    slack = _SLACK.get((effect, condition.operator.base))
    if slack is None:
        return
    for text in condition.values:
        threshold = values.number(text.value)
        if threshold is not None and math.floor(threshold) >= slack:
            yield math.floor(threshold) - slack


def _words(condition: Condition) -> Iterator[str]:
    """Yield the values that a login could have as they stand: without wildcards, variables or types."""
    if condition.operator.base.startswith("String"):
        yield from (text.value for text in condition.values if not any(mark in text.value for mark in "*?$"))
