"""Decides access. Deny overrides; default deny; a token's narrowing must allow as well.

The whole authoriser is `judge`; the rest is how the questions and the answers of the gateway are put.
Source: IAM User Guide, "Policy evaluation logic".
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256

from gateway.model import AccessRequest, Decision, Outcome
from gateway.policy.compiled import Statements
from gateway.policy.document import Dialect, Document, Statement
from gateway.policy.grammar import read_document
from gateway.policy.principals import answers_to
from gateway.policy.query import Query
from gateway.policy.stepup import Demands, demands_of
from gateway.policy.uniform import is_uniform

_ANYTHING = "\N{WHITE SMALL SQUARE}"
"""Stands for whatever is below a prefix, where every text below it is decided alike."""


def judge(sets: Sequence[Statements], query: Query) -> tuple[Outcome, set[Statement]]:
    """Return the outcome and the statements that determined it. Every set must allow: the policies', the token's.

    Empty means no: without a set, and without a statement, nothing is allowed.
    """
    denies, allows, granted = set[Statement](), set[Statement](), bool(sets)
    for one in sets:
        denying, allowing = one.matching(query)
        denies |= denying
        allows |= allowing
        granted = granted and bool(allowing)
    if denies:
        return Outcome.EXPLICIT_DENY, denies
    if granted:
        return Outcome.ALLOW, allows
    return Outcome.IMPLICIT_DENY, set()


class PolicySet:
    """The policies in force. Immutable; safe to share."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = tuple(sorted(documents, key=lambda document: document.name))
        self.digest = _digest(self.documents)
        """SHA-256 over the names and the texts of the policies, in hex."""
        self.statements = Statements(self.documents)
        self._demands = demands_of(self.documents)

    def decide(self, request: AccessRequest) -> Decision:
        """Answer the request."""
        query = query_of(request)
        sets = self.sets_for(request.principal.session_policies)
        if sets is None:
            return Decision(Outcome.IMPLICIT_DENY, (), self.digest)
        outcome, deciding = judge(sets, query)
        step_up = "" if outcome is Outcome.ALLOW else self._step_up(sets, query)
        return Decision(outcome, tuple(sorted([statement.name for statement in deciding])), self.digest, step_up)

    def denies(self, request: AccessRequest) -> Decision | None:
        """Return the decision if it is an explicit deny."""
        sets = self.sets_for(request.principal.session_policies)
        query = query_of(request)
        if sets is None or not any(one.denying(query) for one in sets):
            return None
        return self.decide(request)

    def decide_below(self, request: AccessRequest) -> Decision | None:
        """Return the answer to every request that differs from this one by a longer resource; None if it depends.

        Of a denial it does not say which stronger login would help: that may depend.
        """
        query = query_of(request)
        sets = self.sets_for(request.principal.session_policies)
        if sets is None:
            return Decision(Outcome.IMPLICIT_DENY, (), self.digest)
        if not is_uniform(sets, query):
            return None
        longer = Query(query.principals, query.action, f"{query.resource}{_ANYTHING}", query.context)
        outcome, deciding = judge(sets, longer)
        return Decision(outcome, tuple(sorted([statement.name for statement in deciding])), self.digest)

    def sets_for(self, session_policies: tuple[str, ...]) -> tuple[Statements, ...] | None:
        """Return what must allow: the policies and each narrowing; None if a narrowing cannot be read."""
        if not session_policies:
            return (self.statements,)
        narrowing = _narrowing(session_policies)
        return (self.statements, *narrowing) if narrowing is not None else None

    def _step_up(self, sets: Sequence[Statements], query: Query) -> str:
        for login in self._demands_of(sets).logins():
            if judge(sets, login.after(query))[0] is Outcome.ALLOW:
                return str(login)
        return ""

    def _demands_of(self, sets: Sequence[Statements]) -> Demands:
        """Return what the policies ask of a login, which is known, and what the narrowing beside them does."""
        narrowing = [document for one in sets if one is not self.statements for document in one.documents]
        return self._demands | demands_of(narrowing) if narrowing else self._demands


def query_of(request: AccessRequest) -> Query:
    """Put a request of the gateway into the words of the language."""
    return Query(answers_to(request.principal), request.action, request.resource, request.context)


def _digest(documents: Iterable[Document]) -> str:
    digest = sha256()
    for document in documents:
        text = document.text.encode()
        digest.update(f"{len(document.name.encode())}:{document.name}{len(text)}:".encode() + text)
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _narrowing(policies: tuple[str, ...]) -> tuple[Statements, ...] | None:
    """Compile a token's narrowing; the same token asks again and again."""
    read = [read_document(text, f"session-{n}", Dialect.SESSION) for n, text in enumerate(policies, start=1)]
    documents = [document for document, _ in read if document]
    # What cannot be read cannot allow.
    return tuple(Statements((document,)) for document in documents) if len(documents) == len(read) else None
