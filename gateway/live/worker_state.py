"""Tells the readers of a stream what no worker takes at the moment, beside what the stream itself tells."""

from collections.abc import AsyncIterator

from perdure.gateway.http.sse import encode
from perdure.temporal.sessions.missing_workers import MissingWorkers

WORKERS_STATE = "workers.state"


async def worker_frames(missing: MissingWorkers) -> AsyncIterator[bytes]:
    """A frame where something is missing, and then one for each change. Never ends."""
    async for kinds in missing.changes():
        yield encode(WORKERS_STATE, {"missing": list(kinds)})
