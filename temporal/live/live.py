"""The live plane: pokes, deltas and stop requests. What it carries may be lost; every fact goes the other way.

Rule 1: publishing never waits and never fails: a session must not slow down because somebody watches it.
Rule 2: a poke may come from any thread (workflow code runs on the worker's), so it only hands over to the loop.
Rule 3: whoever subscribes late is given what a step has streamed so far, so nobody needs the past.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

DeltaKind = Literal["text", "reasoning", "tool_input"]


@dataclass(frozen=True, slots=True)
class Poke:
    """The session has reached `seq`; 0 where that is not known."""

    seq: int = 0


@dataclass(frozen=True, slots=True)
class StepDelta:
    step_id: str
    attempt: int
    #: Counts from 0 in an attempt.
    n: int
    part: int
    kind: DeltaKind
    text: str
    #: Of a tool call, with its first delta.
    name: str | None = None
    #: When it was written, in seconds since the epoch; 0 where that is not known. No viewer sees it.
    written: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class LivePart:
    """A part of a step that still streams."""

    kind: DeltaKind
    text: str = ""
    name: str | None = None


@dataclass(slots=True)
class StepProgress:
    """What an attempt has streamed so far; put together from its deltas. `n` is the next delta's."""

    step_id: str
    attempt: int
    n: int = 0
    parts: list[LivePart] = field(default_factory=list)

    def add(self, delta: StepDelta) -> None:
        while len(self.parts) <= delta.part:
            self.parts.append(LivePart(delta.kind))
        part = self.parts[delta.part]
        part.kind = delta.kind
        part.text += delta.text
        part.name = delta.name or part.name
        self.n = delta.n + 1

    def copy(self) -> "StepProgress":
        parts = [LivePart(part.kind, part.text, part.name) for part in self.parts]
        return StepProgress(self.step_id, self.attempt, self.n, parts)


@dataclass(frozen=True, slots=True)
class ToolProgress:
    """How far a tool call is, as its tool tells; each one replaces the last."""

    call_id: str
    message: str | None = None
    #: From 0 to 1.
    fraction: float | None = None


#: A `StepProgress` says: replace what you have of this step.
Frame = Poke | StepDelta | StepProgress | ToolProgress


class Live(Protocol):
    """`session` is a workflow id."""

    #: Every worker publishes to it, in this process: what it tells of is all that happens, and there is a worker here.
    whole: bool

    def poke(self, session: str, seq: int = 0) -> None:
        """Says that a session may have new events. Thread-safe."""

    def begin(self, session: str, step_id: str, attempt: int) -> None:
        """An attempt of a step begins; what an earlier one streamed is void."""

    def delta(self, session: str, delta: StepDelta) -> None:
        """A fragment; those of one attempt come in order."""

    def end(self, session: str, step_id: str, attempt: int) -> None:
        """The attempt streams no more."""

    def tool_progress(self, session: str, progress: ToolProgress) -> None:
        """What a tool that runs tells of itself. Thread-safe, for tools run in threads."""

    def tool_ended(self, session: str, call_id: str) -> None:
        """The tool runs no more; what it told is void."""

    def progress(self, session: str) -> StepProgress | None:
        """What the step that streams now has streamed so far."""

    def watch(self, session: str) -> AbstractAsyncContextManager["asyncio.Queue[Frame]"]:
        """Frames from now on; first, where a step streams, its progress."""

    def stop(self, session: str) -> None:
        """Tells the session's model call, or its tools that run, to look whether their turn is being stopped."""

    def stops(self, session: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """An event that is set by `stop`; whoever waits clears it."""


class MemoryLive:
    """`Live` within one process, whose event loop is `loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, whole: bool = False) -> None:
        self.whole = whole
        self._loop = loop
        self._watchers: defaultdict[str, set[asyncio.Queue[Frame]]] = defaultdict(set)
        self._stops: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._streaming: dict[str, StepProgress] = {}
        #: The last word of each tool that runs, by session and call.
        self._tools: dict[str, dict[str, ToolProgress]] = {}

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

    def progress(self, session: str) -> StepProgress | None:
        return self._streaming.get(session)

    @asynccontextmanager
    async def watch(self, session: str) -> AsyncIterator["asyncio.Queue[Frame]"]:
        queue: asyncio.Queue[Frame] = asyncio.Queue()
        progress = self._streaming.get(session)
        if progress is not None:
            queue.put_nowait(progress.copy())
        for told in self._tools.get(session, {}).values():
            queue.put_nowait(told)
        self._watchers[session].add(queue)
        try:
            yield queue
        finally:
            self._watchers[session].discard(queue)
            if not self._watchers[session]:
                del self._watchers[session]

    def stop(self, session: str) -> None:
        for event in self._stops.get(session, ()):
            event.set()

    @asynccontextmanager
    async def stops(self, session: str) -> AsyncIterator[asyncio.Event]:
        event = asyncio.Event()
        self._stops[session].add(event)
        try:
            yield event
        finally:
            self._stops[session].discard(event)
            if not self._stops[session]:
                del self._stops[session]

    def _tell(self, session: str, progress: ToolProgress) -> None:
        self._send(session, progress)
        told = self._tools.setdefault(session, {})
        before = told.get(progress.call_id)
        if before is not None and progress.message is None:
            # A tool that tells only a share has its last message still.
            progress = ToolProgress(progress.call_id, before.message, progress.fraction)
        told[progress.call_id] = progress

    def _forget(self, session: str, call_id: str) -> None:
        told = self._tools.get(session, {})
        told.pop(call_id, None)
        if not told:
            self._tools.pop(session, None)

    def _from_any_thread(self, session: str, frame: Frame) -> None:
        if session in self._watchers:
            try:
                self._loop.call_soon_threadsafe(self._send, session, frame)
            except RuntimeError:
                pass  # the loop is closed: this process is ending, and so are its viewers

    def _send(self, session: str, frame: Frame) -> None:
        for queue in self._watchers.get(session, ()):
            queue.put_nowait(frame)
