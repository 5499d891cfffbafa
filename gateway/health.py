"""Is the process alive, and can it serve? Neither takes a principal: whoever restarts processes has no credentials."""

from fastapi import APIRouter

from gateway.context import Here

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Always 200 while the process serves."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(gateway: Here) -> dict[str, str]:
    """200 when Temporal answers and a worker polls for sessions, else 503."""
    await gateway.backend.check_ready()
    return {"status": "ready"}
