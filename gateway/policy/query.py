"""One question to the policy, in the generic words of the language: any service's actions, resources and keys."""

from collections.abc import Iterable, Mapping

from gateway.policy.template import Variable, fold

Context = Mapping[str, str | tuple[str, ...]]

ANYONE = "*"


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
        """Return a variable's value, its default if the key is missing, or None if it has no single value."""
        values = self.values(variable.key)
        if not values:
            return variable.default
        return values[0] if len(values) == 1 else None
