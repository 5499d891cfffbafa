"""The place of a session that is told to go to work: taken before it is told, and before anything is stored for that; left
where it comes to nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perdure.temporal.sessions.limits.limits import NOWHERE, Limits, Place


@asynccontextmanager
async def going_to_work(limits: Limits | None, works: bool, session: str, user: str | None) -> AsyncIterator[Place]:
    """Without `limits`, or where it `works` not, nothing is taken. Raises `TooManyTurns`."""
    place = await limits.turn(session, user) if limits is not None and works else NOWHERE
    try:
        yield place
    except BaseException:
        place.leave()
        raise
