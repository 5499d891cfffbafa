"""How far calls are that run on workers which are not Perdure's: what their heartbeats tell, as Temporal shows it.

Rule 1: Perdure's own tools tell the live plane, and are not told of here again.
Rule 2: a session is looked at once a second at most, however many viewers it has, and only while a call runs that is not
known to be Perdure's own. Looks that its watch takes for other reasons count, so most calls cost none.
Rule 3: a look that fails is taken again. Nothing here ends a stream, and what cannot be read is left out.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Literal

import structlog

from perdure.temporal.live.frames import ToolProgress
from perdure.temporal.sessions.look import Look
from perdure.workflows.vocabulary.events import Event, ToolFinished, ToolStarted
from perdure.workflows.vocabulary.question_events import InputRequested

log = structlog.get_logger(__name__)

#: Seconds from one look to the next.
EVERY_S: Final = 1.0
#: As many times longer it waits at most after looks that failed.
_SLOWEST: Final = 8


#: Looks at a session (a workflow id). Raises SessionError.
AskLook = Callable[[str], Awaitable[Look]]


class RemoteProgress:
    """Of one session. `running` are the calls of which viewers know that they run; `tell` is given what is new."""

    def __init__(
        self, session: str, running: Iterable[str], look: AskLook, tell: Callable[[ToolProgress], None]
    ) -> None:
        self._session = session
        self._look = look
        self._tell = tell
        #: Those that run, by id, and whose worker has them as far as looks have shown.
        self._calls: dict[str, Literal["unknown", "own", "remote"]] = dict.fromkeys(running, "unknown")
        self._told: dict[str, ToolProgress] = {}
        self._last: Look | None = None
        self._looked_at = self._from = -math.inf
        self._one_at_a_time = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._want()

    def follow(self, event: Event) -> None:
        """An event is out."""
        match event:
            case ToolStarted(session_id=None):
                if not self._wanted.is_set():
                    # Most calls are over by then.
                    self._from = asyncio.get_running_loop().time() + EVERY_S
                self._calls[event.call_id] = "unknown"
            case ToolFinished():
                self._forget(event.call_id)
            case InputRequested(call_id=str() as call_id):
                # Nothing of it runs while somebody is asked.
                self._forget(call_id)
            case _:
                pass
        self._want()

    async def look(self) -> Look:
        """A look that is hardly older than half of `EVERY_S`. Raises SessionError."""
        async with self._one_at_a_time:
            now = asyncio.get_running_loop().time()
            if self._last is None or now - self._looked_at > EVERY_S / 2:
                self._looked_at = now
                self._last = None
                self._last = await self._look(self._session)
                self._take(self._last)
            return self._last

    async def run(self) -> None:
        """Never ends."""
        failures = 0
        while True:
            await self._wanted.wait()
            wait = max(self._from, self._looked_at + EVERY_S * min(2**failures, _SLOWEST))
            wait -= asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
                # Others may have looked meanwhile, or the calls have ended.
                continue
            try:
                await self.look()
                failures = 0
            except Exception as error:
                failures += 1
                log.warning("remote_progress_waits", session=self._session, error=str(error), failures=failures)

    def _take(self, look: Look) -> None:
        for call_id in look.own & self._calls.keys():
            # Should another's worker rescue it, that is seen as soon as its watch looks.
            self._calls[call_id] = "own"
        for call_id, progress in look.remote.items():
            if call_id not in self._calls:
                continue
            self._calls[call_id] = "remote"
            if progress is not None and progress != self._told.get(call_id):
                self._told[call_id] = progress
                self._tell(progress)
        self._want()

    def _forget(self, call_id: str) -> None:
        self._calls.pop(call_id, None)
        self._told.pop(call_id, None)

    def _want(self) -> None:
        if any(worker != "own" for worker in self._calls.values()):
            self._wanted.set()
        else:
            self._wanted.clear()
