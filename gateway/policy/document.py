"""A policy document as frozen values. `grammar` reads it; what is here was checked."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from gateway.policy.conditions import Condition
from gateway.policy.pattern import Test
from gateway.policy.principals import PrincipalClause
from gateway.policy.scanner import Node, Text
from gateway.policy.template import Template


class Effect(StrEnum):
    """What a statement does when it matches."""

    ALLOW = "Allow"
    DENY = "Deny"


class Version(StrEnum):
    """The versions of the language."""

    OLD = "2008-10-17"
    """Without variables. What a document without a Version is in."""
    NEW = "2012-10-17"


class Dialect(Enum):
    """Where a document stands, which decides about its principals."""

    GATEWAY = "a policy of the folder"
    """Every statement says whom it is for, in the gateway's own kinds."""
    SESSION = "a token's narrowing"
    """No statement does: it is for the token's bearer."""
    GENERIC = "any document"
    """Both are fine: without a principal it is an identity policy, and applies."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One Resource or NotResource."""

    text: Text
    template: Template
    test: Test


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement, all of whose parts must match. Equal to itself alone, so that sets of them are quick."""

    policy: str
    index: int
    sid: str
    name: str
    """How decisions name it: `<policy>#<Sid or index>`."""
    effect: Effect
    principal: PrincipalClause | None
    actions: tuple[Text, ...]
    not_actions: bool
    """Whether `actions` are those that it is not about."""
    resources: tuple[Pattern, ...]
    not_resources: bool
    conditions: tuple[Condition, ...]
    offset: int

    @property
    def label(self) -> str | int:
        """Its Sid, or its index from 0."""
        return self.sid or self.index


@dataclass(frozen=True, slots=True)
class Document:
    """A policy."""

    name: str
    version: Version
    statements: tuple[Statement, ...]
    text: str
    node: Node
