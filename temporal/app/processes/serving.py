"""A gateway's server: how it begins, and how it ends while clients are there."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from perdure.gateway.http.connections import Bounds, protocol
from perdure.temporal.settings import Settings

log = structlog.get_logger(__name__)

#: An open stream is cut before the server stops; this is for what is left.
GATEWAY_STOP_S: Final = 3
#: Bytes of a body in a second, below which a client is too slow.
_BODY_RATE: Final = 8 * 1024


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us: the streams have to be cut first."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket, settings: Settings) -> AsyncIterator["asyncio.Task[None]"]:
    """Serves `app`; the task that it yields ends only if the server fails."""
    bounds = Bounds(
        head_s=settings.head_timeout_s,
        body_s=settings.body_timeout_s,
        body_rate=_BODY_RATE,
        connections=settings.max_connections,
    )
    config = uvicorn.Config(
        app,
        http=protocol(bounds),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GATEWAY_STOP_S,
        timeout_keep_alive=30,
        ws="none",
    )
    server = _Uvicorn(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if running.done():
            await running
            raise RuntimeError("the gateway did not start")
        await asyncio.sleep(0.01)
    try:
        yield running
    finally:
        log.info("drain.begun", seconds=settings.drain_s)
        app.state.draining.begin()
        await asyncio.wait({running}, timeout=settings.drain_s)
        log.info("drain.ended", viewers=app.state.watches.viewers)
        app.state.watches.cut()
        server.should_exit = True
        await asyncio.gather(running, return_exceptions=True)
