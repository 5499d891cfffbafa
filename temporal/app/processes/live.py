"""The live plane of a worker or gateway that is a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.live.protocols import Live
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.metrics import Metrics


@asynccontextmanager
async def live_between(settings: Settings, namespace: str, metrics: Metrics) -> AsyncIterator[Live]:
    """Over the Redis that the settings name, or else within this process alone. `namespace` is Temporal's."""
    address = settings.live_address
    if address is None:
        yield MemoryLive(asyncio.get_running_loop())
        return
    # Imported here, because its client takes longer to import than all that needs none of it.
    from perdure.temporal.live.redis_live import redis_live

    async with redis_live(address, namespace, metrics) as live:
        yield live
