"""Is the process alive, can it serve, do its streams get through? None takes a principal: who asks has no credentials."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from perdure.gateway.http.problems import Problem
from perdure.gateway.http.readiness import Readiness
from perdure.gateway.http.sse import EventStreamResponse, encode
from perdure.gateway.openapi.answers import Health, Ready
from perdure.gateway.routes.context import App
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.stores.blobs import BlobStore, probe

#: Far more than a way through proxies varies by, and soon enough for who waits.
_APART_S: Final = 0.5

router = APIRouter(tags=["health"], route_class=Door)


def readiness(sessions: Sessions, own_blobs: BlobStore | None) -> Readiness:
    """Of a gateway. `own_blobs` is a blob store that other gateways may not have: a bucket is the same for all of them, so
    that where it is away, another one serves no better, and without all of them nothing would go on."""

    async def look() -> None:
        await sessions.check_ready()
        if own_blobs is not None and not await probe(own_blobs):
            raise Problem("store_unavailable", "The blob store gives back other bytes than were written.")

    return Readiness(look)


@router.get("/healthz", response_model=None, responses={200: {"model": Health}})
async def healthz() -> dict[str, str]:
    """Always 200 while the process serves."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None, responses={200: {"model": Ready}})
async def readyz(app: App) -> dict[str, str]:
    """200 when Temporal answers, a worker polls for sessions and a blob store in a folder can be written, else 503 or 507;
    503 also once the gateway is told to stop.

    `live` tells how viewers are served: `ok`; `lost` while Redis is away, so that answers show only when they are finished;
    `missing` where none is set and workers are processes of their own. `blobs` is `lost` while a bucket cannot be used: what
    is small goes on, and what is large is refused or waits. The answer may be a second old.
    """
    if app.draining:
        raise Problem("stopping", "Send requests to another gateway.")
    await app.readiness.check()
    blobs = app.shared_store.state() if app.shared_store is not None else "ok"
    return {"status": "ready", "live": app.live_state(), "blobs": blobs}


@router.get("/healthz/stream", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def healthz_stream() -> EventStreamResponse:
    """Two events, `health` with `n` 1 and 2, half a second apart. Whoever gets both at once has a proxy before the gateway
    that holds streams back; `perdure doctor --gateway URL` looks for that."""
    return EventStreamResponse(_two_apart())


async def _two_apart() -> AsyncIterator[bytes]:
    yield encode("health", {"n": 1})
    await asyncio.sleep(_APART_S)
    yield encode("health", {"n": 2})
