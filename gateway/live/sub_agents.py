"""What viewers of a session see of its sub-agents while they run: their events and live frames, nested.

Rule 1: `agent.event` is a live frame: it may be lost, and what it tells is in the sub-agent's own session for good.
Rule 2: nothing of a call is told before its `tool.started` is out, or after its `tool.finished`.
Rule 3: bounded: so many sub-agents are followed at once, and so much of each is told to one who comes late.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

import orjson
import structlog

from perdure.gateway.http.problems import Problem
from perdure.gateway.http.sse import Outgoing, StreamCut, encode
from perdure.temporal.live.live import LivePart, StepProgress
from perdure.workflows.vocabulary.events import Event, ToolFinished, ToolStarted

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
Follow = Callable[[str, int | None], AsyncGenerator[Outgoing]]


class LiveChildren:
    """`session` is a workflow id; `sub_sessions` are the sub-agents of which viewers know that they run, by call id."""

    def __init__(
        self, session: str, sub_sessions: Mapping[str, str], follow: Follow, tell: Callable[[Outgoing], None]
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

    def so_far(self) -> list[Outgoing]:
        """What somebody who comes now is told."""
        return [item for child in self._children.values() for item in child.so_far()]

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
                        self._tell(child.take(item))
                return
            except (Problem, StreamCut):
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
        self._kept: deque[Outgoing] = deque()
        self._bytes = 0
        #: What the step that is open has streamed.
        self._step: StepProgress | None = None

    def take(self, item: Outgoing) -> Outgoing:
        """The frame that tells viewers of `item`."""
        told = orjson.loads(item.data)
        self._note(item.type, told)
        return self._wrap(item.type, told)

    def _note(self, kind: str, told: dict[str, Any]) -> None:
        match kind:
            case "step.snapshot":
                parts = [LivePart(part["type"], part["text"], part.get("name")) for part in told["parts"]]
                self._step = StepProgress(told["step_id"], told["attempt"], told["n"], parts)
            case "step.delta":
                self._add(told)
            case "step.finished":
                self._step = None
            case "tool.finished":
                self._below.pop(told["call_id"], None)
            case "session.snapshot":
                # What ended unseen is never told to have; what goes on is told anew behind this.
                self._step = None
                self._below.clear()
            case "agent.event":
                child = self._below.get(told["call_id"])
                if child is None and len(self._below) < MOST:
                    child = self._below[told["call_id"]] = _Child(told["call_id"], told["session_id"], self)
                if child is not None:
                    child._note(told["event"]["type"], told["event"])
            case _:
                pass
        # One further down is told again from its start, to this process as to any other, when the stream between breaks.
        if kind == "session.snapshot" or told.get("seq", 0) > (self.cursor or 0):
            self.cursor = told["seq"]
            self._keep(self._wrap(kind, told))

    def so_far(self) -> list[Outgoing]:
        found = list(self._kept)
        step = self._step
        if step is not None:
            parts: list[dict[str, Any]] = []
            for part in step.parts:
                named = {} if part.name is None else {"name": part.name}
                parts.append({"type": part.kind, "text": part.text, **named})
            told = {"step_id": step.step_id, "attempt": step.attempt, "n": step.n, "parts": parts}
            found.append(self._wrap("step.snapshot", told))
        return [*found, *(item for child in self._below.values() for item in child.so_far())]

    def _add(self, told: dict[str, Any]) -> None:
        step = self._step
        if step is None or step.step_id != told["step_id"] or step.attempt != told["attempt"]:
            step = self._step = StepProgress(told["step_id"], told["attempt"])
        while len(step.parts) <= told["part"]:
            step.parts.append(LivePart(told["kind"]))
        part = step.parts[told["part"]]
        part.text += told["delta"]
        part.name = told.get("name") or part.name
        step.n = told["n"] + 1

    def _keep(self, item: Outgoing) -> None:
        self._kept.append(item)
        self._bytes += len(item.frame)
        while len(self._kept) > KEPT or self._bytes > self._room:
            self._bytes -= len(self._kept.popleft().frame)

    def _wrap(self, kind: str, told: dict[str, Any]) -> Outgoing:
        payload = {"call_id": self.call_id, "session_id": self.session_id, "event": {**told, "type": kind}}
        if self._above is not None:
            return self._above._wrap("agent.event", payload)
        return encode("agent.event", payload, turn_id=self.call_id.partition(".")[0])
