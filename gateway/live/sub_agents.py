"""What viewers of a session see of its sub-agents while they run: their events and live frames, nested.

Rule 1: `agent.event` is a live frame: it may be lost, and what it tells is in the sub-agent's own session for good.
Rule 2: nothing of a call is told before its `tool.started` is out, or after its `tool.finished`.
Rule 3: bounded: so many sub-agents are followed at once, and so much of each is told to one who comes late.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final

import structlog

from perdure.gateway.http.sse import StreamCut
from perdure.gateway.live.items import AgentEvent, Frame, Item, seq_of, weight
from perdure.gateway.live.tail import Tail
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.streamed import follow_step
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary.events import Event, StepFinished, ToolFinished, ToolStarted

log = structlog.get_logger(__name__)

#: Sub-agents of one session that are followed at the same time.
MOST: Final = 32
#: Of each, what one who comes late is told: so many events, and so many bytes of them; a level further down, an eighth.
KEPT: Final = 200
KEPT_BYTES: Final = 512 * 1024
_LESS_BELOW: Final = 8
#: Seconds before a sub-agent is asked again that is not there yet, or cannot be reached.
_RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

#: The stream of a session (a workflow id) after a cursor.
Follow = Callable[[str, int | None], AsyncGenerator[Item]]


class LiveChildren:
    """`session` is a workflow id; `sub_sessions` are the sub-agents of which viewers know that they run, by call id."""

    def __init__(
        self, session: str, sub_sessions: Mapping[str, str], follow: Follow, tell: Callable[[Frame], None]
    ) -> None:
        self._tenant = session.partition("/")[0]
        self._follow = follow
        self._tell = tell
        self._children: dict[str, _Child] = {}
        for call_id, session_id in sub_sessions.items():
            self._begin(call_id, session_id)

    def follow(self, event: Event) -> None:
        """An event is out."""
        match event:
            case ToolStarted(session_id=str()):
                self._begin(event.call_id, event.session_id)
            case ToolFinished():
                child = self._children.pop(event.call_id, None)
                if child is not None:
                    child.task.cancel()
            case _:
                pass

    def so_far(self) -> list[AgentEvent]:
        """What somebody who comes now is told."""
        return [frame for child in self._children.values() for frame in child.so_far()]

    def stop(self) -> None:
        for child in self._children.values():
            child.task.cancel()

    def _begin(self, call_id: str, session_id: str | None) -> None:
        if session_id is None or call_id in self._children or len(self._children) >= MOST:
            return
        child = _Child(call_id, session_id)
        self._children[call_id] = child
        child.task = asyncio.create_task(self._relay(child))

    async def _relay(self, child: "_Child") -> None:
        """Ends with the sub-agent's session, or when its call does."""
        failures = 0
        while True:
            try:
                async with aclosing(self._follow(f"{self._tenant}/{child.session_id}", child.cursor)) as items:
                    async for item in items:
                        failures = 0
                        self._tell(child.take(item.value))
                return
            except (SessionError, StreamCut):
                await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1
            except Exception:
                # Its own page still shows it, and its result comes by the caller's events.
                log.exception("sub_agent_unseen", session=child.session_id)
                return


class _Child:
    """A sub-agent that runs, as far as viewers have been told."""

    task: asyncio.Task[None]

    def __init__(self, call_id: str, session_id: str, above: "_Child | None" = None) -> None:
        """`above` is the sub-agent that called it; None: the session itself did."""
        self.call_id = call_id
        self.session_id = session_id
        self.cursor: int | None = None
        self._above = above
        #: Sub-agents of its own that run, by call id: its frames tell of them, but its stream does not tell them again.
        self._below: dict[str, _Child] = {}
        self._room: int = above._room // _LESS_BELOW if above else KEPT_BYTES
        self._kept: Tail[AgentEvent] = Tail(KEPT, self._room)
        #: What the step that is open has streamed.
        self._step: StepProgress | None = None

    def take(self, value: Event | Frame) -> AgentEvent:
        """The frame by which viewers of the caller are sent `value`."""
        self._note(value)
        return self._wrap(value)

    def so_far(self) -> list[AgentEvent]:
        found = self._kept.since()
        if self._step is not None:
            found.append(self._wrap(self._step.copy()))
        return [*found, *(event for child in self._below.values() for event in child.so_far())]

    def _note(self, value: Event | Frame) -> None:
        match value:
            case StepProgress() | StepDelta():
                self._step = follow_step(self._step, value)
            case StepFinished():
                self._step = None
            case ToolFinished():
                self._below.pop(value.call_id, None)
            case Snapshot():
                # What ended unseen is never reported as ended; what goes on is sent anew behind this.
                self._step = None
                self._below.clear()
            case AgentEvent():
                child = self._below.get(value.call_id)
                if child is None and len(self._below) < MOST:
                    child = self._below[value.call_id] = _Child(value.call_id, value.session_id, self)
                if child is not None:
                    child._note(value.event)
            case _:
                pass
        # A session further down is sent again from its start when the stream between breaks.
        seq = seq_of(value)
        if seq is not None and (isinstance(value, Snapshot) or seq > (self.cursor or 0)):
            self.cursor = seq
            told = self._wrap(value)
            self._kept.keep(told, weight(told))

    def _wrap(self, value: Event | Frame) -> AgentEvent:
        own = AgentEvent(self.call_id, self.session_id, value)
        return own if self._above is None else self._above._wrap(own)
