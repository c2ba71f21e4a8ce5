"""Which stronger login would turn a denial into access (RFC 9470).

Conditions on how somebody logged in can be met by logging in again. On a denial, each login that the policies and the
token's narrowing ask for is tried in thought; the first that would be allowed is the challenge. So a challenge is never
a false promise.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, islice, product

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

_PLAIN = re.compile(r"[!#%&'()+,\-./0-9:<=>@A-Z^_`a-z{|}~]{1,200}")
"""One word of a challenge (RFC 6749 3.3), without what stands for something else in conditions, or between demands."""

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


@dataclass(frozen=True, slots=True)
class Demands:
    """What conditions ask of a login.

    >>> both = Demands(ages=frozenset({60, 300})) | Demands(amrs=frozenset({"mfa"}))
    >>> [str(login) for login in both.logins()]
    ['amr=mfa', 'max_age=300', 'max_age=60', 'amr=mfa;max_age=300', 'amr=mfa;max_age=60']
    """

    ages: frozenset[int] = frozenset()
    acrs: frozenset[str] = frozenset()
    amrs: frozenset[str] = frozenset()

    def __or__(self, other: "Demands") -> "Demands":
        return Demands(self.ages | other.ages, self.acrs | other.acrs, self.amrs | other.amrs)

    def logins(self) -> Iterator[Login]:
        """Yield the logins that would meet some of them, the milder first: those with one demand before those with two.

        Made one by one, as a token's narrowing may ask for a thousand: whoever asked for it waits for nobody else.
        """
        parts = (
            [Login(amr=method) for method in sorted(self.amrs)],
            [Login(acr=level) for level in sorted(self.acrs)],
            [Login(max_age=age) for age in sorted(self.ages, reverse=True)],
        )
        every = (
            reduce(_joined, singles)
            for size in range(1, len(parts) + 1)
            for some in combinations(parts, size)
            for singles in product(*some)
        )
        return islice(every, MAX_TRIES)


def _joined(one: Login, other: Login) -> Login:
    """Return the login that meets what both ask for, which is not the same."""
    age = one.max_age if one.max_age is not None else other.max_age
    return Login(max_age=age, acr=one.acr or other.acr, amr=one.amr or other.amr)


def demands_of(documents: Iterable[Document]) -> Demands:
    """Return what the conditions of the documents ask of a login."""
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
    return Demands(frozenset(ages), frozenset(acrs), frozenset(amrs))


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
    """Yield the values that a login could have, and a challenge can name, as they stand."""
    if condition.operator.base.startswith("String"):
        yield from (text.value for text in condition.values if _PLAIN.fullmatch(text.value))
