"""The HTTP interface, where policy is enforced: one router a file. It translates, and decides nothing."""

from collections.abc import Sequence

from fastapi import FastAPI

from gateway import __version__
from gateway.api import (
    audit,
    batch,
    health,
    history,
    keys,
    leases,
    links,
    metadata,
    policy,
    problems,
    pushes,
    resources,
    revocations,
    stream,
    tokens,
    tree,
    upkeep,
)
from gateway.api.admission import Admit, Gate
from gateway.api.cors import AllowOrigins
from gateway.api.express import Express
from gateway.api.metrics import Measure, Metrics
from gateway.api.middleware import BoundBody, Envelop
from gateway.api.schemas.login import LoginOut
from gateway.broker import Broker


def create_api(
    broker: Broker,
    *,
    public_url: str,
    access_token_issuers: Sequence[str] = (),
    how_to_log_in: LoginOut,
    max_body_bytes: int,
    max_commit_bytes: int,
    cors_origins: Sequence[str] = (),
    gate: Gate,
    metrics: Metrics,
) -> FastAPI:
    """Return the ASGI application over the use cases."""
    app = FastAPI(
        title="ML Data Gateway",
        version=__version__,
        summary="Short-lived, narrowly scoped, audited access to encrypted datasets and model weights in S3.",
        # Interactive pages would load scripts from elsewhere; the description itself stays.
        docs_url=None,
        redoc_url=None,
        # A redirect would be to whatever the request calls our host. One path, one spelling.
        redirect_slashes=False,
    )
    app.state.broker = broker
    app.state.gate = gate
    app.state.public_url = public_url
    app.state.access_token_issuers = access_token_issuers
    app.state.how_to_log_in = how_to_log_in
    for module in (
        tokens,
        metadata,
        tree,  # before resources, whose paths have as many parts
        resources,
        history,
        upkeep,
        links,
        batch,
        leases,
        revocations,
        pushes,
        keys,
        audit,
        policy,
        stream,
        health,
    ):
        app.include_router(module.router)
    problems.install(app)
    app.add_middleware(Express, lanes=(links.LANE, stream.LANE, batch.LANE))  # the innermost
    app.add_middleware(BoundBody, limit=max_body_bytes, long_limit=max_commit_bytes, long_path=pushes.COMMIT_PATH)
    app.add_middleware(AllowOrigins, origins=cors_origins, below=stream.PREFIX)
    app.add_middleware(Admit, gate=gate, streams_below=stream.PREFIX)
    app.add_middleware(Envelop)  # outside of all that refuses, so that refusals have an id and headers as well
    app.add_middleware(Measure, metrics=metrics)
    return app
