"""The live plane of a worker or gateway that is a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.live.protocols import Live
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.metrics import Metrics

#: What is missing without Redis, for people.
MISSING: Final = (
    "PERDURE_LIVE is not set: viewers see each answer when it is finished, not as it is written. Set it to a Redis, as in "
    "redis://127.0.0.1:6379/0, for every worker and gateway"
)

log = structlog.get_logger(__name__)


@asynccontextmanager
async def live_between(settings: Settings, namespace: str, metrics: Metrics) -> AsyncIterator[Live]:
    """Over the Redis that the settings name, or else within this process alone. `namespace` is Temporal's."""
    address = settings.live_address
    if address is None:
        log.warning("live.missing", hint=MISSING)
        yield MemoryLive(asyncio.get_running_loop())
        return
    # Imported here, because its client takes longer to import than all that needs none of it.
    from perdure.temporal.live.redis_live import redis_live

    async with redis_live(address, namespace, metrics) as live:
        yield live
