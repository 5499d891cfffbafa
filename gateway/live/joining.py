"""How streams that begin ask their sessions: a few at a time, so that many of them do not take a worker from all others.

A session that its worker does not have in memory is replayed there before it answers. Where hundreds were asked at once,
none would answer in time, each would be asked again, and the worker would have no time for anything else.

Rule 1: a tenant has only so many such questions under way, and its others wait, for as long as it takes: the stream is open
by then. What has not begun costs nobody anything.
Rule 2: sessions that were asked in vain wait for each other, and not in the way of those that nobody has asked yet.
"""

import math
from typing import Final

from perdure.gateway.live.watch import AskEvents
from perdure.temporal.sessions.turnstile import Turnstile
from perdure.workflows.protocol.queries import EventsPage

#: Questions under way at a time, and those of one tenant: enough to keep a few workers busy.
AT_ONCE: Final = 32
OF_TENANT: Final = 8


def _line() -> Turnstile:
    return Turnstile(AT_ONCE, math.inf, None, None, OF_TENANT)


class Joining:
    def __init__(self, ask: AskEvents) -> None:
        self._ask = ask
        self._first, self._again = _line(), _line()

    async def ask(self, session: str, cursor: int, *, again: bool = False) -> EventsPage:
        """What `ask` tells when it is the session's turn. `again`: it was asked in vain before. Raises as `ask` does."""
        async with (self._again if again else self._first).turn(session):
            return await self._ask(session, cursor)
