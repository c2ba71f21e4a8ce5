"""Serves stream links: opens the link, opens the file's key, and decrypts on the way. Constant memory."""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

import anyio

from gateway.audit import event
from gateway.broker.access import Origin, resource_facts
from gateway.broker.layout import object_key_in_bucket
from gateway.broker.links import StreamLinksSource
from gateway.broker.pages import LOST_HINT
from gateway.clock import Clock
from gateway.envelope import HEADER_BYTES, RangeDecryptor, plan_range, verify_key
from gateway.errors import GatewayError, IntegrityError, InvalidDpopProof, LinkRefused, NotFound
from gateway.identity.dpop import Call, Proofs
from gateway.identity.encoding import decode_base64url
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import object_key
from gateway.links.claims import StreamClaims
from gateway.model import AccessRequest, Decision, Mark, Outcome, Resource, Version, marks_of
from gateway.ports import CatalogStore, EventJournal, LinkUses, ObjectStore, Revocations

_HEADERS = 10_000
"""How many objects' headers are remembered, of 40 bytes each."""


@dataclass(frozen=True, slots=True)
class _Use:
    """One use of a stream link."""

    claims: StreamClaims
    start: int
    end: int
    origin: Origin
    outcome: Outcome = field(default=Outcome.ALLOW, kw_only=True)
    about: Resource | None = field(default=None, kw_only=True)
    version: Version | None = field(default=None, kw_only=True)

    @property
    def request(self) -> AccessRequest:
        """What the link was issued for."""
        grant = self.claims.grant
        resource = f"{grant.resource}/v{grant.version}/{grant.file.path}"
        return AccessRequest(grant.principal, "gateway:ReadFile", resource, resource_facts(self.about))

    @property
    def decision(self) -> Decision:
        """The link itself is what lets the bytes out; the event of its issue says by which policy."""
        return Decision(self.outcome, (f"link#{self.claims.token_id.hex()}",))


class Streams:
    """The stream links' use cases."""

    def __init__(
        self,
        stream_links: StreamLinksSource,
        catalog: CatalogStore,
        keys: DataKeys,
        objects: ObjectStore,
        journal: EventJournal,
        clock: Clock,
        *,
        revocations: Revocations,
        uses: LinkUses,
        proofs: Proofs,
    ) -> None:
        self._stream_links = stream_links
        self._catalog = catalog
        self._keys = keys
        self._objects = objects
        self._journal = journal
        self._clock = clock
        self._revocations = revocations
        self._uses = uses
        self._proofs = proofs
        self._headers: OrderedDict[str, bytes] = OrderedDict()

    async def open(
        self, token: str, call: Call, origin: Origin, *, proof: str | None = None
    ) -> tuple[StreamClaims, str]:
        """Return what a link grants, and the nonce for the next proof of possession if it is another.

        Raises:
            LinkRefused: we did not sign this link, or not for this method or this caller's network; recorded.
            LinkExpired: it was good once; recorded.
            InvalidDpopProof, UseDpopNonce: it is bound to a key that was not proved; recorded.
            Revoked: it, its lease, its principal or its resource was revoked; recorded.
        """
        links = await self._stream_links()
        try:
            claims = links.open(token, method=call.method, source_ip=origin.source_ip)
        except GatewayError as error:
            await self._journal.append(
                event.refused_link(error, at=self._clock(), request_id=origin.request_id, source_ip=origin.source_ip)
            )
            raise
        try:
            await self._revocations.check(_marks(claims), issued_at=claims.issued_at)
            nonce = await self._prove(claims.grant.restrictions.key, call, proof)
        except GatewayError as error:
            await self._refuse(await self._use_of(claims, 0, 0, origin), error)
            raise
        return claims, nonce

    async def _prove(self, key: bytes | None, call: Call, proof: str | None) -> str:
        """Return the next nonce, once the caller has proved to hold the key that the link is bound to."""
        if key is None:
            return ""
        if proof is None:
            raise InvalidDpopProof("This link is bound to a key.", hint="Send a proof of it in the header DPoP.")
        proven = await self._proofs.verify(proof, call)
        if not hmac.compare_digest(decode_base64url(proven.thumbprint), key):
            raise InvalidDpopProof("The proof is of another key than the link's.")
        return proven.next_nonce

    async def read(self, claims: StreamClaims, start: int, end: int, origin: Origin) -> AsyncIterator[bytes]:
        """Return the plaintext bytes `start` to `end` (exclusive), as they come and authenticate.

        The intent is durable, and the first bytes have authenticated, before this returns; so what can fail early
        fails before anything was said to the client. A second event says how many bytes left.

        Raises:
            LinkRefused: the link is not for these bytes, or was used as often as it may; recorded.
            IntegrityError: the object is not what was written.
            StorageUnavailable, VaultUnavailable: a part is away.
        """
        use = await self._use_of(claims, start, end, origin)
        try:
            await self._take(claims, start, end)
        except GatewayError as error:
            await self._refuse(use, error)
            raise
        plaintext = self._plaintext(claims, start, end)
        recorded = asyncio.create_task(self._journal.append(self._intended(use)))
        first, failure = b"", None
        try:
            first = await anext(plaintext, b"")
        except GatewayError as error:
            failure = error
        finally:
            # Both wait at once, and nothing leaves before both are done. Who goes away leaves the intent to be written.
            await asyncio.shield(recorded)
        if failure:
            await self._journal.append(self._served(use, 0, failure.code))
            raise failure
        return self._counted(use, first, plaintext)

    async def _use_of(self, claims: StreamClaims, start: int, end: int, origin: Origin) -> _Use:
        """Return a use with what its events say of the resource; without the database they say less, and it works."""
        grant = claims.grant
        about = version = None
        with suppress(GatewayError):
            about = await self._catalog.find_resource(grant.resource)
            version = await self._catalog.find_version(about, number=grant.version) if about else None
        return _Use(claims, start, end, origin, about=about, version=version)

    async def _take(self, claims: StreamClaims, start: int, end: int) -> None:
        """Take a use of the link for these bytes."""
        restrictions = claims.grant.restrictions
        restrictions.check_span(start, end)
        if restrictions.uses is None:
            return
        link = claims.token_id.hex()
        if not await self._uses.take(link, limit=restrictions.uses, expires_at=claims.expires_at):
            raise LinkRefused("This link was used as often as it may.", hint="Ask for a new one.")

    async def _refuse(self, use: _Use, error: GatewayError) -> None:
        """Record that a link of ours was not honoured, and whose it was."""
        refused = replace(use, outcome=Outcome.EXPLICIT_DENY)
        await self._journal.append(self._served(refused, 0, error.code))

    async def note_unread(self, claims: StreamClaims, origin: Origin) -> None:
        """Record the use of a link that sends no bytes: a HEAD, or a condition that did not hold."""
        await self._journal.append(self._served(await self._use_of(claims, 0, 0, origin), 0))

    async def _plaintext(self, claims: StreamClaims, start: int, end: int) -> AsyncGenerator[bytes, None]:
        grant, file = claims.grant, claims.grant.file
        data_key = await self._keys.data_key(grant.resource_id, file.epoch)
        key = object_key(data_key, resource_id=grant.resource_id, object_id=file.object_id)
        verify_key(key, file.key_check)
        where = object_key_in_bucket(grant.resource_id, file.object_id)
        plan = plan_range(start, end, file.size)
        header = await self._header(where)
        decryptor = RangeDecryptor(key, header, plan)
        ciphertext = self._objects.stream(where, start=plan.ciphertext_start, end=plan.ciphertext_end)
        try:
            async for chunk in ciphertext:
                for piece in decryptor.update(chunk):
                    yield piece
        except NotFound as error:
            raise IntegrityError("The file's object is gone from S3.", hint=LOST_HINT) from error
        for piece in decryptor.finalize():
            yield piece

    async def _header(self, where: str) -> bytes:
        """Return the object's header. Objects never change, so it is read once, and later uses wait for S3 once."""
        header = self._headers.get(where)
        if header is None:
            try:
                header = b"".join([part async for part in self._objects.stream(where, start=0, end=HEADER_BYTES)])
            except NotFound as error:
                raise IntegrityError("The file's object is gone from S3.", hint=LOST_HINT) from error
            self._headers[where] = header
            if len(self._headers) > _HEADERS:
                self._headers.popitem(last=False)
        return header

    async def _counted(self, use: _Use, first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        sent, failure, marks = 0, None, _marks(use.claims)
        try:
            async with aclosing(rest):
                yield first
                sent = len(first)
                async for piece in rest:
                    # A long download ends with its link's revocation, not with the file.
                    await self._revocations.check(marks, issued_at=use.claims.issued_at)
                    yield piece
                    sent += len(piece)
        except GatewayError as error:
            failure = error.code
            raise
        finally:
            # Also when the client left half-way, which cancels us: what left is what is recorded.
            with anyio.CancelScope(shield=True):
                await self._journal.append(self._served(use, sent, failure))

    def _intended(self, use: _Use) -> Mapping[str, object]:
        return event.decided(
            use.request,
            use.decision,
            at=self._clock(),
            request_id=use.origin.request_id,
            source_ip=use.origin.source_ip,
            version=use.version,
            facts={"mode": "stream", "bytes": use.end - use.start},
            intent=True,
            trace_id=use.origin.trace_id,
        )

    def _served(self, use: _Use, sent: int, failure: str | None = None) -> Mapping[str, object]:
        return event.served(
            use.request,
            use.decision,
            at=self._clock(),
            request_id=use.origin.request_id,
            source_ip=use.origin.source_ip,
            start=use.start,
            end=use.end,
            sent=sent,
            version=use.version,
            failure=failure,
            trace_id=use.origin.trace_id,
        )


def _marks(claims: StreamClaims) -> tuple[Mark, ...]:
    grant = claims.grant
    return marks_of(grant.principal, grant.resource, link=claims.token_id.hex(), lease=grant.restrictions.lease)
