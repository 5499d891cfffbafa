"""Who may do what with a session: the only place where that is decided.

Rule 1: each method of `Session` that does something says what it `needs`, and nothing of it happens before.
Rule 2: what a principal must not know of is not there: `SessionNotFound`, as for a session that there is not. `Forbidden`
tells of a session that is the principal's own, or that it may read.
Rule 3: a session belongs to the user that it was started for. That is asked of Temporal, once for each request, and
needs no worker.
"""

import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from perdure.temporal.sessions.errors import SessionNotFound
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import Act

P = ParamSpec("P")
R = TypeVar("R")

Owner = Callable[[], Awaitable[str | None]]

_BELOW: Final = re.compile(r"(~t[0-9]+\.s[0-9]+\.c[0-9]+)+")


class Guarded(Protocol):
    async def check(self, *acts: Act) -> None:
        """Raises `SessionNotFound` or `Forbidden` unless the principal may do one of these."""


G = TypeVar("G", bound=Guarded)
Method = Callable[Concatenate[G, P], Coroutine[Any, Any, R]]
Stream = Callable[Concatenate[G, P], AsyncIterator[R]]


def needs(*acts: Act) -> Callable[[Method[G, P, R]], Method[G, P, R]]:
    """The principal has to hold one of `acts` before the method begins."""

    def guarded(method: Method[G, P, R]) -> Method[G, P, R]:
        @functools.wraps(method)
        async def checked(self: G, /, *args: P.args, **kwargs: P.kwargs) -> R:
            await self.check(*acts)
            return await method(self, *args, **kwargs)

        return checked

    return guarded


def stream_needs(act: Act) -> Callable[[Stream[G, P, R]], Stream[G, P, R]]:
    """The same before the first item of what a method yields."""

    def guarded(method: Stream[G, P, R]) -> Stream[G, P, R]:
        @functools.wraps(method)
        async def checked(self: G, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
            await self.check(act)
            async for item in method(self, *args, **kwargs):
                yield item

        return checked

    return guarded


async def check(owner: Owner, principal: Principal, session_id: str, *acts: Act) -> None:
    """Raises `SessionNotFound` or `Forbidden` unless `principal` may do one of `acts` with the session, and what `owner`
    raises, which tells whose the session is."""
    if principal.is_trusted:
        return
    if principal.session is not None:
        if not is_within(session_id, principal.session):
            raise SessionNotFound
        # An id may come back after its session was erased, as that of somebody else's.
        if await owner() != principal.user:
            raise SessionNotFound
    elif any(map(principal.holds_any, acts)):
        return
    else:
        if await owner() == principal.user:
            principal.need_act(*acts)
            return
        if not principal.holds_any("read"):
            raise SessionNotFound
        principal.need_any(acts[0], "The session is another user's, which")
        return
    principal.need_act(*acts)


def is_within(session_id: str, root: str) -> bool:
    """Whether a session is `root`, or one of its sub-agents' whose id tells. Pure."""
    return session_id == root or (
        session_id.startswith(f"{root}~") and _BELOW.fullmatch(session_id.removeprefix(root)) is not None
    )
