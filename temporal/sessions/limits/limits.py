"""Limits of users and tenants: the one place where a request, a stream or a turn is refused for there being too many.

Rule 1: where several processes share limits, they decide together; while what they share is away, each decides for itself,
by its part of a rate and by its own streams, and lets turns begin. Nothing is refused because it is away.
Rule 2: sessions at work are counted from what workers see of them, whoever had them begin. Only what the session service is
asked to begin can be refused: a message, a rewind, a retry, a new session, a schedule's delivery.
Rule 3: what has no limit costs nothing.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from perdure.temporal.sessions.errors import RateLimited, TooManyStreams, TooManyTurns
from perdure.temporal.sessions.limits.bucket import Scope, Verdict
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.memory_buckets import MemoryBuckets
from perdure.temporal.sessions.limits.memory_places import MemoryPlaces
from perdure.temporal.sessions.limits.shared import Entry, Kind, SharedAway, SharedLimits
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics

#: Seconds after which a turn that was let in counts no more unless a worker saw it begin, and after which one that tells
#: nothing does not.
_BEGINS_S: Final = 60.0
_SILENT_S: Final = 3600.0
#: Seconds after which whoever found no place may try again.
_AGAIN_S: Final = 2

_Counted = list[tuple[Scope, str, int]]
_FULL: Final[dict[Kind, type[TooManyStreams | TooManyTurns]]] = {"streams": TooManyStreams, "turns": TooManyTurns}
_WHAT: Final = {"streams": "event streams are open", "turns": "sessions are at work"}


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was given, until `leave` is called."""

    leave: Callable[[], None]


#: Of whoever has one already, or needs none.
NOWHERE: Final = Place(lambda: None)


class Limits:
    """Belongs to one event loop."""

    def __init__(self, caps: Caps, shared: SharedLimits | None = None, metrics: Metrics = UNMEASURED) -> None:
        self._caps = caps
        self._shared = shared
        self._metrics = metrics
        self._buckets = MemoryBuckets()
        self._places: dict[Kind, MemoryPlaces] = {"streams": MemoryPlaces(), "turns": MemoryPlaces()}
        #: The loop on which workers tell of sessions.
        self._loop: asyncio.AbstractEventLoop | None = None

    async def request(self, by: Principal) -> Verdict | None:
        """Counts a request; None: there is no limit. Raises `RateLimited`."""
        rates = self._caps.requests
        if not rates:
            return None
        asked = [(scope, _name(scope, by.tenant, by.subject), rate) for scope, rate in rates.items()]
        verdict: Verdict | None = None
        gateways = 1
        if self._shared is not None:
            gateways = self._shared.gateways
            with suppress(SharedAway):
                verdict = await self._shared.take(asked)
        if verdict is None:
            verdict = self._buckets.take([(scope, name, rate.shared_by(gateways)) for scope, name, rate in asked])
        if (refused := verdict.refused) is not None:
            self._metrics.limited("requests", refused.scope)
            whose = "The tenant" if refused.scope == "tenant" else "The caller"
            wait_s = max(1, math.ceil(refused.next_in_s))
            raise RateLimited(
                f"{whose} may make {rates[refused.scope].per_s:g} requests a second; try again in {wait_s} s.",
                wait_s,
                verdict,
            )
        return verdict

    async def stream(self, by: Principal) -> Place:
        """A place for an event stream, which has to be left. Raises `TooManyStreams`."""
        counted = _counted(self._caps.streams, by.tenant, by.subject)
        member = secrets.token_hex(8)
        names = [name for _, name, _ in counted]
        shared = self._shared if self._caps.shares_streams else None
        try:
            if shared is not None:
                with suppress(SharedAway):
                    self._check("streams", counted, await shared.enter("streams", _limits(counted), member))
            # Also counted here, for the time in which nothing is shared.
            self._check("streams", counted, self._places["streams"].enter(_limits(counted), member, math.inf))
        except BaseException:
            # Also of a caller that left while Redis was asked: what is sent now comes there after the question.
            self._leave("streams", names, member)
            raise
        if shared is not None:
            shared.hold("streams", names, member)
        return Place(partial(self._leave, "streams", names, member))

    async def turn(self, session: str, user: str | None) -> Place:
        """A place for a session (a workflow id) of a user that is to go to work, to be left if it does not. Raises
        `TooManyTurns`."""
        counted = _counted(self._caps.turns, session.partition("/")[0], user)
        if not counted:
            return NOWHERE
        names = [name for _, name, _ in counted]
        if self._shared is None:
            entry = self._places["turns"].enter(_limits(counted), session, _BEGINS_S)
        else:
            try:
                entry = await self._shared.enter("turns", _limits(counted), session)
            except SharedAway:
                return NOWHERE
        self._check("turns", counted, entry)
        return NOWHERE if entry.known else Place(partial(self._leave, "turns", names, session))

    @property
    def counts_turns(self) -> bool:
        return bool(self._caps.turns)

    def hear_sessions(self) -> None:
        """Makes `at_work` tell what workers of this process see. To be called on the loop."""
        self._loop = asyncio.get_running_loop()

    def at_work(self, session: str, user: str | None, works: bool) -> None:
        """A session has moved on, and works or not. Thread-safe."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: this process is ending
                self._loop.call_soon_threadsafe(self._at_work, session, user, works)

    def _leave(self, kind: Kind, names: Sequence[str], member: str) -> None:
        self._places[kind].leave(names, member)
        if self._shared is not None and (kind == "turns" or self._caps.shares_streams):
            self._shared.leave(kind, names, member)

    def _at_work(self, session: str, user: str | None, works: bool) -> None:
        names = [name for _, name, _ in _counted(self._caps.turns, session.partition("/")[0], user)]
        if not works:
            self._leave("turns", names, session)
        elif self._shared is not None:
            self._shared.hold("turns", names, session)
        else:
            self._places["turns"].hold(names, session, _SILENT_S)

    def _check(self, kind: Kind, counted: _Counted, entry: Entry) -> None:
        if entry.full is None:
            return
        scope, _, most = counted[entry.full]
        self._metrics.limited(kind, scope)
        whose = "the tenant's" if scope == "tenant" else "the user's" if kind == "turns" else "the caller's"
        raise _FULL[kind](f"{most} of {whose} {_WHAT[kind]} already; try again in {_AGAIN_S} s.", _AGAIN_S)


def _counted(caps: Mapping[Scope, int], tenant: str, user: str | None) -> _Counted:
    """The limits that count what this user of the tenant does. What nobody does counts for the tenant alone."""
    return [
        (scope, _name(scope, tenant, user or ""), most)
        for scope, most in caps.items()
        if scope == "tenant" or user is not None
    ]


def _limits(counted: _Counted) -> list[tuple[str, int]]:
    return [(name, most) for _, name, most in counted]


def _name(scope: Scope, tenant: str, user: str) -> str:
    return f"tenant:{tenant}" if scope == "tenant" else f"user:{tenant}/{user}"
