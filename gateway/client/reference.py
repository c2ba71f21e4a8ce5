"""How people name things: `dataset/ns/name[@ref][/path]`. The one parser of it."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

from gateway.errors import InvalidName
from gateway.model import ResourceKind, ResourceName, VersionRef, check_path

LATEST = VersionRef(tag="latest")
"""What a reference without '@' means."""

_FORM = "Write dataset/NAMESPACE/NAME[@VERSION][/PATH], with v3, a tag or sha256:… as the version."


@dataclass(frozen=True, slots=True)
class Reference:
    """A dataset or model, one of its versions, and a file or folder in it.

    >>> Reference.parse("dataset/vision/digits@v3/train/a.csv")
    Reference(resource=dataset/vision/digits, version=v3, path='train/a.csv')
    >>> str(Reference.parse("model/vision/digits-logreg"))
    'model/vision/digits-logreg@latest'
    """

    resource: ResourceName
    version: VersionRef = LATEST
    path: str = ""
    """Empty for the whole version."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference. No version means `latest`; one '/' at the end is allowed, as shells complete folders so.

        Raises:
            InvalidName: the kind, namespace, name or version is not as we write them.
            InvalidPath: the path is not.
        """
        kind, namespace, rest = _split(text)
        head, _, path = rest.partition("/")
        name, at, version = head.partition("@")
        return cls(
            ResourceName(kind, namespace, name),
            VersionRef.parse(version) if at else LATEST,
            check_path(path.removesuffix("/")) if path else "",
        )

    def __str__(self) -> str:
        return f"{self.resource}@{self.version}" + (f"/{self.path}" if self.path else "")

    def __repr__(self) -> str:
        return f"Reference(resource={self.resource}, version={self.version}, path={self.path!r})"


def _split(text: str) -> tuple[ResourceKind, str, str]:
    kind, _, rest = text.partition("/")
    namespace, slash, rest = rest.partition("/")
    if kind not in set(ResourceKind):
        meant = get_close_matches(kind.lower(), list(ResourceKind), n=1)
        guess = f" Did you mean '{meant[0]}/…'?" if meant else ""
        raise InvalidName(f"{text[:80]!r} names no dataset or model.{guess}", hint=_FORM)
    if not slash or not rest:
        raise InvalidName(f"{text[:80]!r} is not the whole name of a {kind}.", hint=_FORM)
    return ResourceKind(kind), namespace, rest
