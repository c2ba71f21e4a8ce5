"""Links to files."""

import re

from fastapi import APIRouter, Response

from gateway.api.dependencies import Authenticated, Named, Referred, UseCases
from gateway.api.express import Lane
from gateway.api.problems import RESPONSES
from gateway.api.schemas.links import LinksOut, LinksRequest, encode_links

router = APIRouter(prefix="/v1", tags=["links"], responses=RESPONSES)


@router.post("/{kind}/{namespace}/{name}/versions/{ref}/links", response_model=LinksOut)
async def issue_links(
    broker: UseCases, caller: Authenticated, name: Named, ref: Referred, body: LinksRequest
) -> Response:
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
    return Response(encode_links(version, issued), media_type="application/json")


LANE = Lane(
    frozenset({"POST"}),
    re.compile(
        r"/v1/(?P<kind>dataset|model)/(?P<namespace>[^/]{1,80})/(?P<name>[^/]{1,80})"
        r"/versions/(?P<ref>[^/]{1,80})/links"
    ),
    issue_links,
)
