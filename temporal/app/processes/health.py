"""Whether a worker is alive and at work, over HTTP: for containers and clusters, which restart what does not answer.

A gateway has routes of these names among its own. Neither asks who calls: whoever restarts processes has no credentials.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from perdure.temporal.app.dev_server.ports import listen

State = Literal["starting", "ready", "stopping"]

_TEMPORAL_WITHIN: Final = timedelta(seconds=2)
_STOP_S: Final = 1


class WorkerHealth:
    """What a worker says of itself. `/healthz`: 503 once it has ended, though its process runs on. `/readyz`: 200 while it
    takes sessions and Temporal answers, else 503."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._workers: Sequence[Worker] = ()
        self._state: State = "starting"

    def ready(self, workers: Sequence[Worker]) -> None:
        """Takes one worker for each of its task queues."""
        self._workers = workers
        self._state = "ready"

    def stopping(self) -> None:
        self._state = "stopping"

    @property
    def _ended(self) -> bool:
        return self._state == "ready" and any(worker.is_shutdown for worker in self._workers)

    async def healthz(self, _request: Request) -> JSONResponse:
        return _told("ended" if self._ended else "ok", well=not self._ended)

    async def readyz(self, _request: Request) -> JSONResponse:
        if self._state != "ready" or self._ended:
            return _told("ended" if self._ended else self._state, well=False)
        try:
            await self._client.service_client.check_health(timeout=_TEMPORAL_WITHIN)
        except RPCError:
            return _told("temporal_unavailable", well=False)
        return _told("ready", well=True)


def _told(status: str, *, well: bool) -> JSONResponse:
    return JSONResponse({"status": status}, 200 if well else 503, {"Cache-Control": "no-store"})


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


@asynccontextmanager
async def health_served(health: WorkerHealth, address: str | None) -> AsyncIterator[None]:
    """Serves it on `address` (`IP:port`); None: nowhere. Raises `PortTaken`."""
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    listener = listen(host.strip("[]"), int(port), "PERDURE_HEALTH_ADDRESS")
    routes = [Route("/healthz", health.healthz), Route("/readyz", health.readyz)]
    config = uvicorn.Config(
        Starlette(routes=routes),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_STOP_S,
    )
    server = _Uvicorn(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        listener.close()
