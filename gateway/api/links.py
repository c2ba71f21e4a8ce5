"""Links to files."""

from fastapi import APIRouter

from gateway.api.dependencies import Authenticated, Named, Referred, UseCases
from gateway.api.problems import RESPONSES
from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.links import LinkOut, LinksOut, LinksRequest

router = APIRouter(prefix="/v1", tags=["links"], responses=RESPONSES)


@router.post("/{kind}/{namespace}/{name}/versions/{ref}/links")
async def issue_links(
    broker: UseCases, caller: Authenticated, name: Named, ref: Referred, body: LinksRequest
) -> LinksOut:
    """Issue a link for each path, all of one version; each path is decided on its own, and one refusal refuses all."""
    version, issued = await broker.links.issue(
        caller,
        name,
        ref,
        paths=body.paths,
        mode=body.mode,
        ttl=body.ttl,
        restrictions=body.restrictions,
        lease_id=body.lease,
    )
    return LinksOut(version=VersionOut.of(version), links=[LinkOut.of(link) for link in issued])
