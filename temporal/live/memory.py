"""The live plane within one process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from perdure.temporal.live.bounded_subscription import BoundedSubscription
from perdure.temporal.live.frames import Frame, Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.protocols import LiveState
from perdure.temporal.live.stop_events import StopEvents


class MemoryLive:
    """`Live` within one process, whose event loop is `loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, whole: bool = False) -> None:
        self.whole = whole
        self._loop = loop
        self._subscriptions: defaultdict[str, set[BoundedSubscription]] = defaultdict(set)
        self._stops = StopEvents()
        self._streaming: dict[str, StepProgress] = {}
        #: The last word of each tool that runs, by session and call.
        self._tools: dict[str, dict[str, ToolProgress]] = {}

    @property
    def state(self) -> LiveState:
        return "ok" if self.whole else "missing"

    def poke(self, session: str, seq: int = 0) -> None:
        self._from_any_thread(session, Poke(seq))

    def begin(self, session: str, step_id: str, attempt: int) -> None:
        progress = StepProgress(step_id, attempt)
        self._streaming[session] = progress
        self._send(session, progress.copy())

    def delta(self, session: str, delta: StepDelta) -> None:
        progress = self._streaming.get(session)
        if progress is not None and progress.step_id == delta.step_id and progress.attempt == delta.attempt:
            progress.add(delta)
        self._send(session, delta)

    def end(self, session: str, step_id: str, attempt: int) -> None:
        progress = self._streaming.get(session)
        # An attempt that was given up may end when the next one streams already.
        if progress is not None and (progress.step_id, progress.attempt) == (step_id, attempt):
            del self._streaming[session]

    def tool_progress(self, session: str, progress: ToolProgress) -> None:
        try:
            self._loop.call_soon_threadsafe(self._tell, session, progress)
        except RuntimeError:
            pass  # as for a poke

    def tool_ended(self, session: str, call_id: str) -> None:
        # Behind what the tool told before, which may still be on its way to the loop.
        self._loop.call_soon(self._forget, session, call_id)

    @asynccontextmanager
    async def subscribe(self, session: str) -> AsyncIterator[BoundedSubscription]:
        subscription = BoundedSubscription(partial(self._so_far, session))
        self._subscriptions[session].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[session].discard(subscription)
            if not self._subscriptions[session]:
                del self._subscriptions[session]

    def stop(self, session: str) -> None:
        self._stops.set(session)

    @asynccontextmanager
    async def stops(self, session: str) -> AsyncIterator[asyncio.Event]:
        with self._stops.waiting(session) as event:
            yield event

    def _tell(self, session: str, progress: ToolProgress) -> None:
        told = self._tools.setdefault(session, {})
        before, word = told.get(progress.call_id), progress
        if before is not None and progress.message is None:
            # A tool that tells only a share has its last message still.
            word = ToolProgress(progress.call_id, before.message, progress.fraction)
        told[progress.call_id] = word
        self._send(session, progress)

    def _forget(self, session: str, call_id: str) -> None:
        told = self._tools.get(session, {})
        told.pop(call_id, None)
        if not told:
            self._tools.pop(session, None)

    def _so_far(self, session: str) -> list[Frame]:
        progress = self._streaming.get(session)
        streams = [] if progress is None else [progress.copy()]
        return [*streams, *self._tools.get(session, {}).values()]

    def _from_any_thread(self, session: str, frame: Frame) -> None:
        if session in self._subscriptions:
            try:
                self._loop.call_soon_threadsafe(self._send, session, frame)
            except RuntimeError:
                pass  # the loop is closed: this process is ending, and so are its viewers

    def _send(self, session: str, frame: Frame) -> None:
        for subscription in self._subscriptions.get(session, ()):
            subscription.offer(frame)
