"""The live plane: pokes, deltas and stop requests, from who publishes them to who subscribes.

Rule 1: publishing never waits and never fails: a session must not slow down because somebody watches it.
Rule 2: a poke may come from any thread (workflow code runs on the worker's), so publishing it only hands over to the loop.
Rule 3: a subscription begins with what there is so far, so nobody needs the past, and nobody asks for it otherwise.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from perdure.temporal.live.frames import Frame, StepDelta, ToolProgress

#: What it carries to this process: all of it; nothing for now, because what carries it is away; nothing of other processes.
LiveState = Literal["ok", "lost", "missing"]


class LivePublisher(Protocol):
    """Where processes publish what happens in sessions. Publishing never waits and never fails. `session` is always a
    workflow id."""

    def poke(self, session: str, seq: int = 0) -> None:
        """Says that a session may have new events. Thread-safe."""

    def begin(self, session: str, step_id: str, attempt: int) -> None:
        """An attempt of a step begins; what an earlier one streamed is void."""

    def delta(self, session: str, delta: StepDelta) -> None:
        """A fragment; those of one attempt come in order."""

    def end(self, session: str, step_id: str, attempt: int) -> None:
        """The attempt streams no more."""

    def tool_progress(self, session: str, progress: ToolProgress) -> None:
        """How far a running tool is. Thread-safe, for tools run in threads."""

    def tool_ended(self, session: str, call_id: str) -> None:
        """The tool runs no more; its progress is void."""

    def stop(self, session: str) -> None:
        """Has the session's model call, or its tools that run, look whether their turn is being stopped."""


class Subscription(Protocol):
    """The frames of one session, in order. They begin with what there is so far: the progress of the step that streams,
    and the last progress of each tool that runs."""

    async def get(self) -> Frame:
        """Waits for the next frame."""

    def renew(self) -> None:
        """Frames were lost: what there is so far comes again, in its place among the frames."""


class LiveSubscriber(Protocol):
    """Where processes hear what happens in sessions. `session` is always a workflow id."""

    #: Every worker publishes to it, in this process: nothing that happens is lost, and there is a worker here.
    whole: bool

    @property
    def state(self) -> LiveState: ...

    def subscribe(self, session: str) -> AbstractAsyncContextManager[Subscription]:
        """The session's frames from now on."""

    def stops(self, session: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """An event that is set by `stop`; whoever waits clears it."""


class Live(LivePublisher, LiveSubscriber, Protocol):
    """Both sides, for who puts processes together."""


class Nowhere:
    """A `LivePublisher` for a process that nobody hears: a session's events and histories have all that happens."""

    def poke(self, session: str, seq: int = 0) -> None: ...

    def begin(self, session: str, step_id: str, attempt: int) -> None: ...

    def delta(self, session: str, delta: StepDelta) -> None: ...

    def end(self, session: str, step_id: str, attempt: int) -> None: ...

    def tool_progress(self, session: str, progress: ToolProgress) -> None: ...

    def tool_ended(self, session: str, call_id: str) -> None: ...

    def stop(self, session: str) -> None: ...
