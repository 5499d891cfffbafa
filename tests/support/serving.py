"""Serves an ASGI app over real HTTP in the test's own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp


@asynccontextmanager
async def serve(
    app: ASGIApp, http: type[asyncio.Protocol] | Literal["auto"] = "auto", port: int = 0
) -> AsyncIterator[int]:
    """Yields the port, on 127.0.0.1; 0 takes a free one."""
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=port, http=http, log_config=None, ws="none", lifespan="off", timeout_graceful_shutdown=1
        )
    )
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running
