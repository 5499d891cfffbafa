"""Is the process alive, and can it serve? Neither takes a principal: whoever restarts processes has no credentials."""

from fastapi import APIRouter

from perdure.gateway.http.problems import Problem
from perdure.gateway.openapi.answers import Health, Ready
from perdure.gateway.routes.context import App
from perdure.temporal.stores.blobs import probe

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=None, responses={200: {"model": Health}})
async def healthz() -> dict[str, str]:
    """Always 200 while the process serves."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None, responses={200: {"model": Ready}})
async def readyz(app: App) -> dict[str, str]:
    """200 when Temporal answers, a worker polls for sessions and the blob store can be written, else 503 or 507; 503 also
    once the gateway is told to stop.

    `live` tells how viewers are served: `ok`; `lost` while Redis is away, so that answers show only when they are finished;
    `missing` where none is set and workers are processes of their own.
    """
    if app.draining:
        raise Problem("stopping", "Send requests to another gateway.")
    await app.sessions.check_ready()
    if not await probe(app.blobs):
        raise Problem("store_unavailable", "The blob store gives back other bytes than were written.")
    return {"status": "ready", "live": app.live_state()}
