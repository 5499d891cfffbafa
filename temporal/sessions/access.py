"""Who may do what with a session: the only place where that is decided.

Rule 1: each method of `Session` that does something says what it `needs`, and nothing of it happens before.
Rule 2: what a principal must not know of is not there: `SessionNotFound`, as for a session that there is not. `Forbidden`
tells of a session that is the principal's own, or that it may read.
Rule 3: a session belongs to the user that it was started for. That is asked of Temporal, once for each request, and
needs no worker.
Rule 4: what reaches one session alone does not reach another one that has its id later.
"""

import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from perdure.temporal.sessions.errors import Forbidden, SessionNotFound
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import Act

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Belonging:
    """Whose a session is, and which of those that had its id one after the other."""

    user: str | None
    #: The id of its first run; None where Temporal does not say.
    first_run: str | None = None


class Belongings:
    """Whose sessions are, each asked of Temporal once."""

    def __init__(self, ask: Callable[[str], Awaitable[Belonging]]) -> None:
        self._ask = ask
        self._known: dict[str, Belonging] = {}

    async def of(self, session: str) -> Belonging:
        """`session` is a workflow id. Raises what asking raises."""
        if session not in self._known:
            self._known[session] = await self._ask(session)
        return self._known[session]


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


async def check_fork(belongings: Belongings, principal: Principal, session_id: str, *, sends: bool) -> None:
    """The same for what a fork does beside: it copies the session, and may be sent a message at once."""
    if principal.user is None or principal.is_trusted:
        # The fork belongs to whom the session does.
        if sends:
            await check(belongings, principal, session_id, "write")
        return
    # The fork will be the principal's own, who reads in it what was said here.
    if (await belongings.of(principal.workflow_id(session_id))).user != principal.user:
        await check(belongings, principal, session_id, "read")
    if sends:
        principal.need_act("write")


async def check(belongings: Belongings, principal: Principal, session_id: str, *acts: Act) -> None:
    """Raises `SessionNotFound` or `Forbidden` unless `principal` may do one of `acts` with the session, and what asking
    `belongings` raises."""
    session = principal.workflow_id(session_id)
    if principal.is_trusted:
        return
    if principal.session is not None:
        if not is_within(session_id, principal.session):
            raise SessionNotFound
        # An id may come back after its session was erased, as that of another one.
        root = await belongings.of(principal.workflow_id(principal.session))
        if principal.first_run not in (None, root.first_run):
            raise SessionNotFound
        if (await belongings.of(session)).user != principal.user:
            raise SessionNotFound
    elif any(map(principal.holds_any, acts)):
        return
    else:
        if (await belongings.of(session)).user == principal.user:
            principal.need_act(*acts)
            return
        if not principal.holds_any("read"):
            raise SessionNotFound
        principal.need_any(acts[0], "The session is another user's, which")
        return
    principal.need_act(*acts)


async def may(belongings: Belongings, principal: Principal, session_id: str, *acts: Act) -> bool:
    """Whether `principal` may do one of `acts` with a session that there is. Raises what asking `belongings` raises."""
    try:
        await check(belongings, principal, session_id, *acts)
    except (Forbidden, SessionNotFound):
        return False
    return True


def is_within(session_id: str, root: str) -> bool:
    """Whether a session is `root`, or one of its sub-agents' whose id tells. Pure."""
    return session_id == root or (
        session_id.startswith(f"{root}~") and _BELOW.fullmatch(session_id.removeprefix(root)) is not None
    )
