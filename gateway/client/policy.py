"""Questions to the policies that a gateway has in force, for those who may ask."""

from collections.abc import Mapping, Sequence

from gateway.client import answers
from gateway.client.connection import Connection


class Policies:
    """The policies in force."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def explain(
        self,
        action: str,
        resource: str,
        *,
        principal: Mapping[str, object] | None = None,
        context: Mapping[str, Sequence[str]] | None = None,
    ) -> answers.Json:
        """Return what `POST /v1/policy:explain` answers: which statements decide a request, which nearly did, and why.

        Args:
            action: Such as `gateway:ReadFile`.
            resource: Such as `dataset/vision/digits/v1/train.csv`.
            principal: Whom it is about, as `{"user" or "workload": name, "groups": [...], "issuer": alias}`; else
                ourselves, by this very login.
            context: Condition keys and their values, beside those that the gateway knows.
        """
        facts = {key: list(values) for key, values in (context or {}).items()}
        body = {"principal": principal, "action": action, "resource": resource, "context": facts}
        found = self._connection.post("/v1/policy:explain", body, repeatable=True)
        return answers.read(dict, found, self._connection.url)
