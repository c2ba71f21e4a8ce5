"""One question to the policy, in the generic words of the language: any service's actions, resources and keys."""

from collections.abc import Iterable, Mapping

from gateway.policy.template import Variable, fold

Context = Mapping[str, str | tuple[str, ...]]

ANYONE = "*"

MAX_STARTS = 8
"""How many separators of a resource are looked at; more would let a long path make a request dear."""


def starts_of(resource: str, depth: int = MAX_STARTS) -> list[str]:
    """Return the resource, and its starts up to each of the first separators: what the index files patterns under.

    >>> starts_of("dataset/vision/v1")
    ['dataset/vision/v1', '', 'dataset/', 'dataset/vision/']
    """
    starts = [resource, ""]
    separated = resource.replace(":", "/")
    at = 0
    for _ in range(depth):
        at = separated.find("/", at) + 1
        if not at:
            break
        starts.append(resource[:at])
    return starts


def depth_of(start: str) -> int:
    """Return how many separators a request must be looked up to, for what is filed under this start to be found.

    >>> depth_of("dataset/vision/"), depth_of("dataset/vision/v1/a/literal/name/in/many/folders")
    (2, 8)
    """
    return min(MAX_STARTS, start.replace(":", "/").count("/"))


class Query:
    """A request as conditions see it. Keys are folded when the first condition asks, most requests meet none."""

    __slots__ = ("_folded", "action", "context", "principals", "resource")

    def __init__(self, principals: Iterable[str], action: str, resource: str, context: Context) -> None:
        self.principals = principals
        """What the caller answers to: `*`, and `<kind>:<name>` and `<kind>:*` for each kind that they have."""
        self.action = fold(action)
        self.resource = resource
        self.context = context
        self._folded: dict[str, tuple[str, ...]] | None = None

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values of a folded key. A key without values is a key that is not there."""
        if self._folded is None:
            self._folded = {
                fold(name): (value,) if isinstance(value, str) else value for name, value in self.context.items()
            }
        return self._folded.get(key, ())

    def resolve(self, variable: Variable) -> str | None:
        """Return a variable's value, its default if the key has none, or None. A key of many values is no variable."""
        values = self.values(variable.key)
        if len(values) > 1:
            return None
        return (values[0] if values else "") or variable.default
