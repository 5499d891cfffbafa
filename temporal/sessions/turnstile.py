"""A fair, bounded queue before Temporal: only so many calls of this process are under way, and the others take turns.

Rule 1: tenants take turns, and the sessions of a tenant do, so that what one of them has many of holds up nobody else.
Rule 2: a call that waits for a session's worker gives its place away after a moment, so that sessions which nobody
answers for hold up nobody either.
Rule 3: the queue is bounded, in length and in time. What finds it full is refused as `overloaded`, and nothing of it was
done.
Rule 4: where a tenant may have only so many calls under way, its other calls wait while places are free for other tenants.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from perdure.temporal.sessions.errors import Overloaded

#: Seconds that a call keeps its place: many times what one takes, and little where a question waits for a busy worker.
PLACE_S: Final = 0.1

_Waiting = deque["asyncio.Future[None]"]


class Turnstile:
    """`places` calls are under way at a time, `of_tenant` of each tenant at most; `length` more may wait, each for `wait_s`
    seconds (None: for as long as it takes). A call keeps its place for `place_s` seconds at most (None: to its end)."""

    def __init__(
        self,
        places: int,
        length: float,
        wait_s: float | None,
        place_s: float | None = PLACE_S,
        of_tenant: int | None = None,
    ) -> None:
        self._free = places
        self._length = length
        self._wait_s = wait_s
        self._place_s = place_s
        self._of_tenant = places if of_tenant is None else of_tenant
        self._waiting = 0
        #: Calls that have a place, by tenant.
        self._held: Counter[str] = Counter()
        #: Who is next stands first, among tenants as among the sessions of each.
        self._tenants: OrderedDict[str, OrderedDict[str, _Waiting]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, session: str) -> AsyncIterator[None]:
        """A place for a call about the session, a workflow id; or about a tenant's sessions. Raises `Overloaded`."""
        tenant = session.partition("/")[0]
        await self._enter(tenant, session)
        held = True

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                self._leave(tenant)

        moment = None if self._place_s is None else asyncio.get_running_loop().call_later(self._place_s, leave)
        try:
            yield
        finally:
            if moment is not None:
                moment.cancel()
            leave()

    async def _enter(self, tenant: str, session: str) -> None:
        # Whoever waits while a place is free waits for a call of its own tenant.
        if self._free > 0 and self._held[tenant] < self._of_tenant and tenant not in self._tenants:
            self._take(tenant)
            return
        if self._waiting >= self._length:
            raise Overloaded(f"{self._waiting} requests wait for Temporal already.")
        mine = asyncio.get_running_loop().create_future()
        self._tenants.setdefault(tenant, OrderedDict()).setdefault(session, deque()).append(mine)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                # The place was given at the very moment in which its taker gave up.
                self._leave(tenant)
            else:
                self._forget(tenant, session, mine)
            if isinstance(error, TimeoutError):
                raise Overloaded from None
            raise

    def _take(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1

    def _leave(self, tenant: str) -> None:
        """Gives a place of the tenant's to whoever is next."""
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        while (following := next(filter(self._has_room, self._tenants), None)) is not None:
            sessions = self._tenants[following]
            session, waiting = next(iter(sessions.items()))
            taker = waiting.popleft()
            self._waiting -= 1
            sessions.move_to_end(session)
            self._tenants.move_to_end(following)
            self._tidy(following, session)
            # One that gave up a moment ago may not have come to leave the queue yet.
            if not taker.done():
                self._take(following)
                taker.set_result(None)
                return

    def _has_room(self, tenant: str) -> bool:
        return self._held[tenant] < self._of_tenant

    def _forget(self, tenant: str, session: str, mine: "asyncio.Future[None]") -> None:
        sessions = self._tenants.get(tenant)
        waiting = sessions.get(session) if sessions is not None else None
        if waiting is not None and mine in waiting:
            waiting.remove(mine)
            self._waiting -= 1
            self._tidy(tenant, session)

    def _tidy(self, tenant: str, session: str) -> None:
        if not self._tenants[tenant][session]:
            del self._tenants[tenant][session]
        if not self._tenants[tenant]:
            del self._tenants[tenant]
