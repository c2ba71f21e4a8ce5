"""The gateway's own words: its actions, its condition keys, its resources. Linting knows them; deciding does not.

`policies/README.md` says what each means, and a test holds the two together.
"""

from collections.abc import Iterable

from gateway.policy.template import fold

ACTIONS = (
    "gateway:ApproveShred",
    "gateway:CheckVersion",
    "gateway:CollectGarbage",
    "gateway:CreateLease",
    "gateway:CreateResource",
    "gateway:DeleteVersion",
    "gateway:DescribeKeys",
    "gateway:DescribeResource",
    "gateway:ExplainDecision",
    "gateway:ListFiles",
    "gateway:ListLeases",
    "gateway:ListResources",
    "gateway:MoveTag",
    "gateway:PublishVersion",
    "gateway:ReadAudit",
    "gateway:ReadFile",
    "gateway:ReencryptObjects",
    "gateway:Revoke",
    "gateway:RevokeLease",
    "gateway:RotateKey",
    "gateway:ShredKey",
    "gateway:TagResource",
    "gateway:UndoShred",
)
DATA_ACTIONS = frozenset(
    map(fold, ("gateway:CreateResource", "gateway:ListFiles", "gateway:PublishVersion", "gateway:ReadFile"))
)
"""Those that read files, or put some there."""

DATA_ROOTS = ("dataset/", "model/")
OTHER_ROOTS = ("audit/", "client/", "issuer/", "lease/", "link/", "principal/", "subject/", "token/")
_ROOTS = {
    fold("gateway:ReadAudit"): ("audit/",),
    fold("gateway:ListLeases"): ("lease/",),
    fold("gateway:RevokeLease"): ("lease/",),
    fold("gateway:Revoke"): (*DATA_ROOTS, *OTHER_ROOTS[1:]),
}


def roots_of(actions: Iterable[str]) -> list[str]:
    """Return what the resources of these folded actions start with; most are on datasets and models.

    >>> roots_of(["gateway:readaudit", "gateway:readfile"])
    ['audit/', 'dataset/', 'model/']
    """
    return sorted({root for action in actions for root in _ROOTS.get(action, DATA_ROOTS)})


SINGLE_KEYS = (
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:SecureTransport",
    "aws:SourceIp",
    "gateway:Acr",
    "gateway:AuthAge",
    "gateway:Issuer",
    "gateway:LeaseHolder",
    "gateway:LinkMode",
    "gateway:LinkTtl",
    "gateway:PrincipalKind",
    "gateway:Purpose",
    "gateway:TokenBinding",
    "gateway:User",
)
MULTIPLE_KEYS = ("gateway:Amr", "gateway:Groups")
"""Keys that can have many values."""
KEY_FAMILIES = ("aws:PrincipalTag/", "gateway:ResourceTag/", "oidc:")
"""What keys start with whose rest is the deployment's own."""
KEYS = (*SINGLE_KEYS, *MULTIPLE_KEYS)

DOMAINS = {
    fold("gateway:LeaseHolder"): frozenset({"self", "other"}),
    fold("gateway:LinkMode"): frozenset({"direct", "stream"}),
    fold("gateway:PrincipalKind"): frozenset({"user", "workload"}),
    fold("gateway:TokenBinding"): frozenset({"bearer", "dpop"}),
}
"""Keys, folded, that only ever have one of a few values."""

_FOLDED = frozenset(map(fold, KEYS))
_FAMILIES = tuple(map(fold, KEY_FAMILIES))
_SINGLE = frozenset(map(fold, SINGLE_KEYS))
_MULTIPLE = frozenset(map(fold, MULTIPLE_KEYS))


def is_key(folded: str) -> bool:
    """Tell whether requests to the gateway can have this key.

    >>> is_key("gateway:resourcetag/owner"), is_key("gateway:resourcetag/"), is_key("s3:prefix")
    (True, False, False)
    """
    return folded in _FOLDED or any(folded.startswith(family) and folded != family for family in _FAMILIES)


def is_single(folded: str) -> bool:
    """Tell whether a key never has more than one value."""
    return folded in _SINGLE or folded.startswith(_FAMILIES[:2])


def is_multiple(folded: str) -> bool:
    """Tell whether a key usually has many values."""
    return folded in _MULTIPLE
