"""Links, as JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Self

import orjson
from pydantic import Field, model_validator

from gateway import model
from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.wire import MAX_BATCH, MAX_FILE_BYTES, LeaseId, Path, Wire, base64url
from gateway.broker.batch import Wanted
from gateway.broker.links import IssuedLink
from gateway.envelope import ciphertext_size
from gateway.links.restrictions import MAX_USES, OWN_KEY, Restrictions, parse_network

MAX_LISTED = 10_000
"""Paths that one batch may list; a prefix has no such limit."""
MAX_LINKS = 1_000_000
"""Links of one batch; its last line says where to go on."""
Position = Annotated[int, Field(ge=0, lt=MAX_FILE_BYTES)]


class _Narrowed(Wire):
    """How links are asked for, and what they are narrowed to."""

    mode: model.LinkMode = model.LinkMode.DIRECT
    ttl_seconds: Annotated[int | None, Field(ge=1, le=3600)] = None
    range: Annotated[
        tuple[Position, Position] | None, Field(description="First and last byte that a stream link may read.")
    ] = None
    network: Annotated[str | None, Field(max_length=64, description="CIDR block where it may be used.")] = None
    uses: Annotated[int | None, Field(ge=1, le=MAX_USES, description="How often it may send bytes.")] = None
    bound: Annotated[bool, Field(description="Whether its user must prove the key of the caller's token.")] = False
    lease: Annotated[LeaseId | None, Field(description="The lease to issue under.")] = None

    @property
    def restrictions(self) -> Restrictions:
        """What stream links are narrowed to.

        Raises:
            InvalidInput: the range is empty, or the network none.
        """
        return Restrictions(
            span=(self.range[0], self.range[1] + 1) if self.range else None,
            network=parse_network(self.network) if self.network is not None else None,
            uses=self.uses,
            key=OWN_KEY if self.bound else None,
        )

    @property
    def ttl(self) -> timedelta | None:
        """How long the links shall live; the gateway's default if none."""
        return timedelta(seconds=self.ttl_seconds) if self.ttl_seconds is not None else None


class LinksRequest(_Narrowed):
    """Files of a version to link to."""

    paths: Annotated[list[Path], Field(min_length=1, max_length=MAX_BATCH)]


class BatchRequest(_Narrowed):
    """Many files of a version to link to: all below a prefix, or a list."""

    resource: Annotated[str, Field(max_length=160)]
    version: Annotated[str, Field(max_length=80)] = "latest"
    prefix: Annotated[str, Field(max_length=model.MAX_PATH_BYTES)] = ""
    paths: Annotated[list[Path] | None, Field(min_length=1, max_length=MAX_LISTED)] = None
    after: Annotated[str, Field(max_length=model.MAX_PATH_BYTES, description="The `next` of the batch before.")] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_LINKS)] = MAX_LINKS
    digest: Annotated[str | None, Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Refuse another version.")] = None

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        if self.paths is not None and (self.prefix or self.after):
            raise ValueError("'paths' stands alone, without 'prefix' and 'after'.")
        return self

    def wanted(self) -> Wanted:
        """Return the request in the house's words.

        Raises:
            InvalidInput: a name, reference, range or network is none.
        """
        return Wanted(
            name=model.ResourceName.parse(self.resource),
            ref=model.VersionRef.parse(self.version),
            mode=self.mode,
            prefix=self.prefix,
            paths=self.paths,
            after=self.after,
            limit=self.limit,
            digest=self.digest,
            ttl=self.ttl,
            restrictions=self.restrictions,
            lease_id=self.lease,
        )


class LinkOut(Wire):
    """A link to a file, with what opens it."""

    path: str
    size: int
    sha256: str
    mode: model.LinkMode
    url: str
    head_url: str
    expires_at: datetime
    object_key: Annotated[str | None, Field(description="base64url; with direct links only.")]
    key_check: str
    ciphertext_size: int


class LinksOut(Wire):
    """Links to files of one version."""

    version: VersionOut
    links: list[LinkOut]


def encode_links(version: model.Version, issued: Sequence[IssuedLink]) -> bytes:
    """Return the JSON of a `LinksOut`, written straight from our own values: there is nothing to validate in them."""
    return orjson.dumps(
        {"version": VersionOut.of(version).__dict__, "links": [_link(one) for one in issued]}, option=orjson.OPT_UTC_Z
    )


def _link(issued: IssuedLink) -> Mapping[str, object]:
    entry, link = issued.entry, issued.get
    return {
        "path": entry.path,
        "size": entry.size,
        "sha256": entry.sha256,
        "mode": link.mode,
        "url": link.url,
        "head_url": issued.head.url,
        "expires_at": link.expires_at,
        "object_key": base64url(issued.object_key) if issued.object_key else None,
        "key_check": entry.key_check,
        "ciphertext_size": ciphertext_size(entry.size),
    }
