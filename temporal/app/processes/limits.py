"""The limits of a process: counted in it, or with others over Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.metrics import Metrics


@asynccontextmanager
async def limits_between(
    settings: Settings, namespace: str, metrics: Metrics, *, gateway: bool
) -> AsyncIterator[Limits]:
    """Those of a worker or gateway that is a process of its own. Raises `Refused` where turns are limited and nothing could
    tell the gateway of their ends."""
    caps = Caps.of(settings)
    address = settings.live_address
    if caps.turns and address is None:
        raise Refused(
            "PERDURE_TURNS_PER_USER and PERDURE_TURNS_PER_TENANT need PERDURE_LIVE, a Redis, where workers and gateways are "
            "processes of their own: workers count there which sessions are at work"
        )
    if address is None or not caps.any_shared:
        yield Limits(caps, metrics=metrics)
        return
    # Imported here, because its client takes longer to import than all that needs none of it.
    from perdure.temporal.sessions.limits.redis_limits import redis_limits

    async with redis_limits(address, namespace, gateway=gateway) as shared:
        yield Limits(caps, shared, metrics)
