"""What lint can warn of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Note:
    """A warning at an offset."""

    offset: int
    code: str
    message: str
    suggestion: str


Notes: TypeAlias = Iterator[Note]

RULES = {
    "allow-everyone": "An Allow for every principal without a condition.",
    "allow-not-action": "An Allow on NotAction, which grows with each new action.",
    "allow-not-resource": "An Allow on NotResource, which grows with each new resource.",
    "crosses-namespaces": "A wildcard in or before the namespace, on an action that reads or writes data.",
    "empty-condition": "A Condition that asks nothing.",
    "for-all-values-missing": "An Allow with ForAllValues, which holds when the key is missing.",
    "look-alike": "Letters that are not what they seem.",
    "never-matches": "A statement that no request can match.",
    "old-version": "Variables in a version of the language that does not know them.",
    "range-bits": "An address range with bits set that the mask ignores.",
    "secret": "What looks like a secret.",
    "set-operator": "A set qualifier where there is one value, or none where there are many.",
    "shadowed": "A statement that another one makes useless.",
    "unknown-action": "An action that the gateway does not have.",
    "unknown-key": "A condition key that requests to the gateway never have.",
    "unresolved-variable": "A variable that, without a value, makes a Deny hold for less or an Allow for more.",
    "wildcard-literal": "A wildcard under an operator that takes it literally.",
}
"""Each warning's code, and what it is about."""
