"""Makes policies of what a token shall be narrowed to: a scope (actions), and authorization details (RFC 9396).

A narrowing allows nothing by itself. It is asked beside the policies, and both must allow.
"""

import json
from collections.abc import Mapping, Sequence

from gateway.errors import InvalidAuthorizationDetails, InvalidScope
from gateway.identity import Detail, TokenRequest
from gateway.policy.document import Dialect
from gateway.policy.grammar import read_document
from gateway.policy.vocabulary import ACTIONS

POLICY = "gateway_policy"
"""`statements`: the policy language's own, without principals."""
ACCESS = "gateway_access"
"""`actions` and `resources`, all of the ones on all of the others."""
DETAIL_TYPES = (ACCESS, POLICY)

_VERSION = "2012-10-17"
_FOLDED = frozenset(action.lower() for action in ACTIONS)


def narrowing_of(request: TokenRequest) -> tuple[str, ...]:
    """Return the policies, as JSON, that the request narrows its token by: one for its scope, one for its details.

    Raises:
        InvalidScope: the scope names what is no action of ours.
        InvalidAuthorizationDetails: the details are of another type or form, or their policy has a fault.
    """
    narrowing = []
    if request.scopes:
        narrowing.append(_document([_statement(_actions(request.scopes), ["*"])]))
    if request.details:
        # RFC 9396 2: each detail grants something, so that together they are one policy.
        narrowing.append(_checked([statement for one in request.details for statement in _statements(one)]))
    return tuple(narrowing)


def _actions(scopes: Sequence[str]) -> list[str]:
    for scope in scopes:
        if scope.lower() not in _FOLDED:
            raise InvalidScope(
                f"The scope {scope[:80]!r} is no action of this gateway.", hint=f"Ask for some of {', '.join(ACTIONS)}."
            )
    return list(scopes)


def _statements(detail: Detail) -> list[object]:
    kind = detail.get("type")
    if kind == ACCESS:
        members = _members(detail, "actions", "resources")
        return [_statement(*members)]
    if kind == POLICY:
        (statements,) = _members(detail, "statements")
        return statements
    raise InvalidAuthorizationDetails(
        f"There are no authorization details of the type {str(kind)[:80]!r}.",
        hint=f"Use {' or '.join(DETAIL_TYPES)}; TOKENS.md has examples.",
    )


def _members(detail: Detail, *names: str) -> list[list[object]]:
    unknown = sorted(detail.keys() - {"type", *names})
    if unknown:
        raise InvalidAuthorizationDetails(f"Authorization details of this type have no member {unknown[0][:80]!r}.")
    found = [detail.get(name) for name in names]
    lists = [one for one in found if isinstance(one, list) and one]
    if len(lists) != len(names):
        raise InvalidAuthorizationDetails(f"Authorization details of this type have {' and '.join(names)}: lists.")
    return lists


def _statement(actions: Sequence[object], resources: Sequence[object]) -> dict[str, object]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _document(statements: Sequence[object]) -> str:
    document: Mapping[str, object] = {"Version": _VERSION, "Statement": statements}
    return json.dumps(document, separators=(",", ":"))


def _checked(statements: Sequence[object]) -> str:
    text = _document(statements)
    document, faults = read_document(text, "authorization_details", Dialect.SESSION)
    if document is None:
        raise InvalidAuthorizationDetails(f"The policy in the authorization details has a fault: {faults[0]}.")
    return text
