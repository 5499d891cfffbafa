"""Somebody who reads a session's frames from a live plane, and fails on text that is lost or doubled."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from perdure.temporal.live.frames import Frame, Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.protocols import LivePublisher, LiveSubscriber, Subscription

SESSION = "acme/s1"
_PATIENCE_S = 30


class LiveReader:
    def __init__(self, frames: Subscription) -> None:
        self.frames: list[Frame] = []
        self.progress: StepProgress | None = None
        self._subscription = frames
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.progress.parts) if self.progress else ""

    @property
    def pokes(self) -> list[int]:
        return [frame.seq for frame in self.frames if isinstance(frame, Poke)]

    @property
    def tools(self) -> list[ToolProgress]:
        return [frame for frame in self.frames if isinstance(frame, ToolProgress)]

    async def until(self, wanted: Callable[["LiveReader"], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: self._reading.done() or wanted(self))
        if self._reading.done():
            self._reading.result()

    async def until_text(self, text: str) -> None:
        await self.until(lambda reader: reader.text == text)

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self._subscription.get())
                async with self._changed:
                    self._changed.notify_all()
        except AssertionError:
            async with self._changed:
                self._changed.notify_all()
            raise

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if isinstance(frame, StepProgress):
            self.progress = frame.copy()
        elif isinstance(frame, StepDelta):
            if frame.n == 0 and (self.progress is None or self.progress.attempt < frame.attempt):
                self.progress = StepProgress(frame.step_id, frame.attempt)
            assert self.progress is not None
            assert (self.progress.attempt, self.progress.n) == (frame.attempt, frame.n)
            self.progress.add(frame)

    async def leave(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


@asynccontextmanager
async def reading(live: LiveSubscriber, session: str = SESSION) -> AsyncIterator[LiveReader]:
    async with live.subscribe(session) as frames:
        reader = LiveReader(frames)
        try:
            yield reader
        finally:
            await reader.leave()


class Speaker:
    """An attempt at a step, which says one word after the other."""

    def __init__(self, live: LivePublisher, *, session: str = SESSION, step: str = "t1.s1", attempt: int = 1) -> None:
        self._live = live
        self._session = session
        self._step = step
        self._attempt = attempt
        self._said: list[str] = []
        live.begin(session, step, attempt)

    @property
    def text(self) -> str:
        return "".join(self._said)

    def say(self, count: int = 1) -> None:
        for _ in range(count):
            n = len(self._said)
            self._said.append(f"{n} ")
            delta = StepDelta(self._step, self._attempt, n, 0, "text", self._said[-1], written=time.time())
            self._live.delta(self._session, delta)

    def end(self) -> None:
        self._live.end(self._session, self._step, self._attempt)
