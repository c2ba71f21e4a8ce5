"""A FastAPI route that does nothing, on the gateway's own server settings: what no gateway on FastAPI can beat."""

import asyncio
import sys

import uvicorn
import uvloop
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def nothing() -> dict[str, bool]:
    """Answer."""
    return {"ok": True}


def serve(application: FastAPI, port: int) -> None:
    """Serve as `gateway.server` does."""
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        backlog=2048,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    serve(app, int(sys.argv[1]))
