"""Places in the queues of sessions: no more messages are let in than a session will take.

A session tells in its receipt how much room it has; messages that this gateway lets in meanwhile are counted beside it.
Where both together leave no room for certain, messages are let in one after the other, on a receipt that counts
everything.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import TooMany
from perdure.workflows.core.state.inbox import MAX_QUEUED
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.session import SessionWorkflow


def full() -> TooMany:
    return TooMany(f"{MAX_QUEUED} messages wait for their turn already.")


@dataclass(slots=True)
class _Door:
    """Of one session, for as long as anybody is at it."""

    #: Those who are at it.
    users: int = 0
    #: Messages that were given a place, and of these the ones whose signal is under way.
    admitted: int = 0
    coming: int = 0
    one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)


class Place:
    """A message at a session's door. `receipt` is the session's answer about it."""

    def __init__(self, backend: Backend, session: str, message_id: str, door: _Door) -> None:
        self._backend = backend
        self._session = session
        self._message_id = message_id
        self._door = door
        self._before = self._coming = 0
        self._taken = False
        self.receipt: Receipt
        #: Other gateways may take what room there is.
        self.scarce = False

    async def ask(self, known: Receipt | None = None) -> None:
        """`known` is what the session would say, where that is certain."""
        self._before, self._coming = self._door.admitted, self._door.coming
        if known is None:
            known = await self._backend.query(self._session, SessionWorkflow.receipt, self._message_id)
        self.receipt = known

    @property
    def is_busy(self) -> bool:
        """Whether the message finds the session at work."""
        return self.receipt.turn_id is not None or self.receipt.queued + self._uncounted > 0

    def check_room(self) -> None:
        """Raises `TooMany` where the session itself has no room. To be asked before anything of the message is stored."""
        if _room(self.receipt) <= 0:
            raise full()

    async def take(self) -> int | None:
        """Reserves a place, and returns where in the queue it is, from 1; None where nothing waits and no turn runs.
        Raises `TooMany`."""
        if self._uncounted >= _room(self.receipt):
            async with self._door.one_by_one:
                await self.ask()
                while self._uncounted >= _room(self.receipt):
                    if not self._uncounted:
                        raise full()
                    await self.ask()
                return self._reserve()
        return self._reserve()

    @property
    def _uncounted(self) -> int:
        """Messages that were let in, and may not be in the receipt."""
        return self._coming + self._door.admitted - self._before

    def _reserve(self) -> int | None:
        ahead = self.receipt.queued + self._uncounted
        self.scarce = _room(self.receipt) - self._uncounted <= MAX_QUEUED // 2
        self._door.admitted += 1
        self._door.coming += 1
        self._taken = True
        return None if self.receipt.turn_id is None and not ahead else ahead + 1

    def leave(self) -> None:
        if self._taken:
            self._door.coming -= 1


class Admissions:
    """`session` is always a workflow id, `{tenant}/{session_id}`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._doors: dict[str, _Door] = {}

    @asynccontextmanager
    async def asking(self, session: str, message_id: str, known: Receipt | None = None) -> AsyncIterator[Place]:
        """Asks the session for its receipt, unless it is `known`; inside, a place may be taken, and the session signalled.

        Raises what `Backend.query` raises."""
        door = self._doors.setdefault(session, _Door())
        door.users += 1
        place = Place(self._backend, session, message_id, door)
        try:
            await place.ask(known)
            yield place
        finally:
            place.leave()
            door.users -= 1
            if not door.users:
                del self._doors[session]


def _room(receipt: Receipt) -> int:
    return MAX_QUEUED - receipt.queued if receipt.room is None else receipt.room
